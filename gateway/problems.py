"""Why a request is not done: status, code, and a text in three languages.

Reads     a code, of this list or of `esep.codes`; where in the request, where that can be told
Returns   `Problem`, an exception that the application answers with
Promises  one shape for every refusal; no value of the request stands in one: codes, places, fields (box: gateway)
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

from esep.codes import BY_CODE

Language = Literal["en", "ru", "kk"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class Declared(NamedTuple):
    """A refusal of the gateway's own."""

    status: int
    en: str
    ru: str
    kk: str


PROBLEMS = {
    "EVENT_UNREADABLE": Declared(
        400,
        "The event is not written as the documentation says.",
        "Событие записано не так, как указано в документации.",
        "Оқиға құжаттамада көрсетілгендей жазылмаған.",
    ),
    "BODY_UNREADABLE": Declared(
        400,
        "The body is not of the kind that its content type says.",
        "Тело запроса не соответствует указанному типу.",
        "Сұрау мазмұны көрсетілген түрге сәйкес келмейді.",
    ),
    "BATCH_EMPTY": Declared(
        400, "There is no event in the request.", "В запросе нет событий.", "Сұрауда бірде-бір оқиға жоқ."
    ),
    "PARAMETER_INVALID": Declared(
        400,
        "A parameter of the address is no whole number from 0 on.",
        "Параметр адреса не является целым числом от 0.",
        "Мекенжай параметрі 0-ден басталатын бүтін сан емес.",
    ),
    "CREDENTIALS_REFUSED": Declared(
        401,
        "Name and password are not those of an organizer: the BIN and its Kafka password.",
        "Имя и пароль не принадлежат организатору: нужны БИН и его пароль в Kafka.",
        "Аты мен құпиясөзі ұйымдастырушынікі емес: БСН және оның Kafka құпиясөзі қажет.",
    ),
    "ACCESS_REFUSED": Declared(
        403,
        "The broker does not let this organizer do that.",
        "Брокер не разрешает этому организатору такое действие.",
        "Брокер бұл ұйымдастырушыға мұндай әрекетке рұқсат бермейді.",
    ),
    "REQUEST_TOO_SLOW": Declared(
        408, "The body came too slowly.", "Тело запроса поступало слишком медленно.", "Сұрау мазмұны тым баяу келді."
    ),
    "BODY_TOO_LARGE": Declared(
        413, "The body has too many bytes.", "Тело запроса слишком велико.", "Сұрау мазмұны тым үлкен."
    ),
    "BATCH_TOO_LARGE": Declared(
        413,
        "There are too many events in one request.",
        "В одном запросе слишком много событий.",
        "Бір сұрауда оқиғалар тым көп.",
    ),
    "EVENT_TOO_LARGE": Declared(
        413,
        "The event has more bytes than a message may have.",
        "Событие занимает больше байтов, чем допускает сообщение.",
        "Оқиға хабарламаға рұқсат етілген байттан көп орын алады.",
    ),
    "TYPE_UNKNOWN": Declared(
        415,
        "The content type is neither application/json nor application/vnd.esep.messages+json.",
        "Тип содержимого не application/json и не application/vnd.esep.messages+json.",
        "Мазмұн түрі application/json та, application/vnd.esep.messages+json да емес.",
    ),
    "BUSY": Declared(
        503,
        "Too many requests are under way; send again a little later.",
        "Обрабатывается слишком много запросов; повторите чуть позже.",
        "Тым көп сұрау өңделуде; сәл кейінірек қайталаңыз.",
    ),
    "BROKER_UNAVAILABLE": Declared(
        503,
        "The broker has not acknowledged all of it; send all of it again later, nothing is counted twice.",
        "Брокер подтвердил не всё; повторите позже целиком, ничто не будет учтено дважды.",
        "Брокер бәрін растаған жоқ; кейінірек толық қайталаңыз, ештеңе екі рет есептелмейді.",
    ),
    "FAULT": Declared(
        500,
        "The gateway has failed; send all of it again later, nothing is counted twice.",
        "Сбой шлюза; повторите позже целиком, ничто не будет учтено дважды.",
        "Шлюз істен шықты; кейінірек толық қайталаңыз, ештеңе екі рет есептелмейді.",
    ),
}
RETRY_AFTER_S = {"BUSY": 1, "BROKER_UNAVAILABLE": 5, "FAULT": 5}


class Problem(Exception):
    """A request is not done, and nothing of it was sent unless the code is BROKER_UNAVAILABLE or FAULT.

    code: of PROBLEMS or a reject code. place: of the event in the request, from 0 on. field: at fault, if one is.
    """

    def __init__(self, code: str, *, place: int | None = None, field: str | None = None) -> None:
        super().__init__(code)
        self.code, self.place, self.field = code, place, field

    @property
    def status(self) -> int:
        """The status of the answer."""
        return PROBLEMS[self.code].status if self.code in PROBLEMS else 400

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the status asks for."""
        headers = {"Retry-After": str(RETRY_AFTER_S[self.code])} if self.code in RETRY_AFTER_S else {}
        return headers | ({"WWW-Authenticate": 'Basic realm="esep", charset="UTF-8"'} if self.status == 401 else {})

    def document(self, language: Language) -> dict[str, Any]:
        """Return the body of the answer."""
        declared = PROBLEMS.get(self.code) or BY_CODE[self.code]
        return {"code": self.code, "place": self.place, "field": self.field, "text": getattr(declared, language)}


def language_of(text: str | None) -> Language:
    """Return the language that a request asks for, English where it asks for none that we have.

    >>> language_of("kk"), language_of("fr")
    ('kk', 'en')
    """
    return text if text in LANGUAGES else "en"
