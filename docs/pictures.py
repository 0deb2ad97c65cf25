"""Pictures of answers of the cookbook: one function each, from rows to an SVG.

Reads     rows of an answer
Returns   the text of an SVG
Promises  the same rows give the same bytes with the same matplotlib; legible at the width of a page and in grey;
          persons are points without a name
"""

from __future__ import annotations

import io
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.dates
import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

Rows = list[dict[str, Any]]
_SIZE = (7.2, 3.6)  # Inches: the width of a page.
_STYLE = {
    "svg.hashsalt": "esep",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}
_TAKEN, _PAID, _OTHER = "#1f5a8a", "#e0902f", "#7a7a7a"
_MILLION = 1e8  # Tiyn: a million tenge.
_SHORT_BIN = 6  # Digits of a BIN that a label has room for.


def svg(draw: Callable[[Axes, Rows], None], rows: Rows, *, title: str, said: str) -> str:
    """Return the picture that a function draws of rows; said: what its metadata say of them."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        draw(figure.add_subplot(), rows)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Title": title, "Description": said, "Date": None})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _person(axes: Axes, rows: Rows) -> None:
    days = [row["day"] for row in rows]
    for name, label, colour in (("staked_tiyn", "staked", _TAKEN), ("received_tiyn", "paid out", _PAID)):
        axes.step(days, [row[name] / _MILLION for row in rows], where="post", label=label, color=colour)
    net = [row["net_tiyn"] / _MILLION for row in rows]
    axes.fill_between(days, net, step="post", alpha=0.4, label="won or lost in all", color=_OTHER)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_ylabel("million tenge, added up")
    axes.legend(frameon=False)
    _days(axes)


def _concentration(axes: Axes, rows: Rows) -> None:
    shares = [(0.0, 0.0), *((row["person_share"], row["wager_share"]) for row in rows)]
    axes.plot([100 * x for x, _ in shares], [100 * y for _, y in shares], color=_TAKEN)
    axes.plot([0, 100], [0, 100], color=_OTHER, linewidth=0.8, linestyle="--")
    for at in (1, 10):
        share = 100 * max(y for x, y in shares if 100 * x <= at)
        axes.plot(at, share, "o", color=_PAID)
        axes.annotate(f"the keenest {at} %: {share:.0f} % of the stakes", (at, share), (at + 4, share - 4))
    axes.set(xlabel="persons, keenest first, %", ylabel="of all stakes, %", xlim=(0, 100), ylim=(0, 101))


def _cohorts(axes: Axes, rows: Rows) -> None:
    weeks = sorted({row["first_week"] for row in rows})
    first = {row["first_week"]: row["persons"] for row in rows if row["weeks_later"] == 0}
    grid = np.full((len(weeks), len(weeks)), np.nan)
    for row in rows:
        grid[weeks.index(row["first_week"]), row["weeks_later"]] = 100 * row["persons"] / first[row["first_week"]]
    axes.imshow(grid, cmap="Blues", vmin=0, vmax=130, aspect="auto")
    for (y, x), value in np.ndenumerate(grid):
        if not np.isnan(value):
            axes.text(x, y, f"{value:.0f} %", ha="center", va="center")
    axes.set_yticks(range(len(weeks)), [f"{week:%d.%m}: {first[week]}" for week in weeks])
    axes.set(xlabel="weeks later", ylabel="week of the first bet: persons", xticks=range(len(weeks)))
    axes.spines[:].set_visible(False)


def _week(axes: Axes, rows: Rows) -> None:
    ordered = sorted(rows, key=lambda row: row["day"])
    places = np.arange(len(ordered))
    for shift, name, label, colour in ((-0.2, "wager_tiyn", "stakes", _TAKEN), (0.2, "paid_tiyn", "payouts", _PAID)):
        axes.bar(places + shift, [row[name] / _MILLION for row in ordered], 0.4, label=label, color=colour)
    axes.set_xticks(places, [f"{row['day']:%a %d.%m}\n{row['person_count']} persons" for row in ordered])
    axes.set_ylabel("million tenge")
    axes.legend(frameon=False)


def _hold(axes: Axes, rows: Rows) -> None:
    bins = sorted({row["organizer_bin"] for row in rows})
    for shift, channel, colour in ((-0.2, "ONLINE", _TAKEN), (0.2, "RETAIL", _PAID)):
        found = {row["organizer_bin"]: row["hold_percent"] for row in rows if row["channel"] == channel}
        axes.bar(
            np.arange(len(bins)) + shift, [found.get(one, 0) for one in bins], 0.4, label=channel.lower(), color=colour
        )
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xticks(range(len(bins)), [f"…{one[-_SHORT_BIN:]}" for one in bins])
    axes.set(xlabel="organizer (end of its BIN)", ylabel="kept of the stakes, %")
    axes.legend(frameon=False)


def _hours(axes: Axes, rows: Rows) -> None:
    grid = np.zeros((7, 24))
    for row in rows:
        grid[row["weekday"] - 1, row["hour"]] = row["wagers"]
    shown = axes.imshow(grid, cmap="Blues", aspect="auto")
    axes.set_yticks(range(7), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    axes.set(xlabel="hour in Almaty", xticks=range(0, 24, 2))
    axes.figure.colorbar(shown, ax=axes, label="bets")
    axes.spines[:].set_visible(False)


def _odds(axes: Axes, rows: Rows) -> None:
    places = np.arange(len(rows))
    axes.bar(places, [100 * row["won_share"] for row in rows], 0.6, color=_TAKEN, label="were won")
    axes.plot(places, [100 * row["won_share_by_odds"] for row in rows], "D", color=_PAID, label="the odds stand for")
    axes.set_xticks(places, [f"from {row['odds_from']:g}\n{row['wagers']} bets" for row in rows])
    axes.set(xlabel="odds", ylabel="of the bets, %")
    axes.legend(frameon=False)


def _network(axes: Axes, rows: Rows) -> None:
    ties = defaultdict[str, set[str]](set)
    for row in rows:
        ties[row["iin"]].add(row["other_iin"])
        ties[row["other_iin"]].add(row["iin"])
    groups = sorted(_groups(ties), key=lambda group: (-len(group), min(group)))
    columns = math.ceil(math.sqrt(2 * len(groups)))  # The picture is twice as wide as high.
    for number, group in enumerate(groups):
        left, top = number % columns, -(number // columns)
        angles = 2 * np.pi * np.arange(len(group)) / len(group)
        place = {
            one: (left + 0.32 * np.cos(angle), top + 0.32 * np.sin(angle))
            for one, angle in zip(sorted(group), angles, strict=True)
        }
        for one in sorted(group):
            for other in sorted(ties[one]):
                axes.plot(*zip(place[one], place[other], strict=True), color=_OTHER, linewidth=0.8, zorder=1)
        axes.scatter(*zip(*place.values(), strict=True), s=36, color=_TAKEN, zorder=2)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(
        f"{len(ties)} persons, {len(groups)} groups: a line is a means of payment that both used", fontsize=9
    )


def _groups(ties: dict[str, set[str]]) -> list[set[str]]:
    """Return the persons who are tied to each other, if only by others."""
    left, groups = set(ties), list[set[str]]()
    while left:
        group, edge = set[str](), {min(left)}
        while edge:
            group |= edge
            edge = {other for one in edge for other in ties[one]} - group
        groups.append(group)
        left -= group
    return groups


def _late(axes: Axes, rows: Rows) -> None:
    bins = sorted({row["organizer_bin"] for row in rows})
    days = sorted({row["day"] for row in rows})
    grid = np.full((len(bins), len(days)), np.nan)
    for row in rows:
        grid[bins.index(row["organizer_bin"]), days.index(row["day"])] = 100 * row["late"] / row["events"]
    shown = axes.imshow(grid, cmap="Oranges", aspect="auto", vmin=0)
    axes.set_yticks(range(len(bins)), [f"…{one[-_SHORT_BIN:]}" for one in bins])
    every = range(0, len(days), 5)
    axes.set_xticks(every, [f"{days[place]:%d.%m}" for place in every])
    axes.set(xlabel="day of receipt", ylabel="organizer (end of its BIN)")
    axes.figure.colorbar(shown, ax=axes, label="received after a minute, %")
    axes.spines[:].set_visible(False)


def _days(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(mpl.dates.DateFormatter("%d.%m"))


PLOTS: dict[int, Callable[[Axes, Rows], None]] = {
    1: _person,
    3: _concentration,
    9: _cohorts,
    10: _week,
    11: _hold,
    12: _hours,
    16: _odds,
    21: _network,
    24: _late,
}
