# One image for every part of the line: `esep run intake|totals|alerts|loader|gateway` is the command of a container.
# The broker and ClickHouse are images of their own (docker-compose.yml); the embedded ones are left out here.
FROM python:3.11-slim
RUN useradd --create-home --uid 1000 esep
WORKDIR /app
COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY . .
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .
USER esep
ENTRYPOINT ["esep"]
CMD ["--help"]
