"""The canonical words for fuel types and directions, and the spellings that mean them. Case, blanks and punctuation do not count."""

from functools import lru_cache
from typing import Callable

from millstream import Reject

FUEL_TYPES = {
    "Petrol": "petrol gasoline gas benzine unleaded",
    "Diesel": "diesel derv",
    "Electric": "electric ev bev battery batteryelectric",
    "Hybrid": "hybrid hev hybridelectric selfcharginghybrid",
    "Plug-in Hybrid": "pluginhybrid phev pluginhybridelectric",
    "LPG": "lpg autogas",
    "CNG": "cng",
    "Hydrogen": "hydrogen fuelcell fcev",
}
DIRECTIONS = (
    "North North-North-East North-East East-North-East East East-South-East South-East South-South-East "
    "South South-South-West South-West West-South-West West West-North-West North-West North-North-West"
).split()

MEANINGS = {
    "fuel_type": {spelling: word for word, spellings in FUEL_TYPES.items() for spelling in spellings.split()},
    "direction": {word.replace("-", "").lower(): word for word in DIRECTIONS}
    | {"".join(part[0] for part in word.lower().split("-")): word for word in DIRECTIONS},
}
NOT_COUNTED = {code: None for code in range(128) if not chr(code).isalnum()}


def fuel_type(text: str) -> str | None:
    """The canonical fuel type that a text means, if it is one."""
    return MEANINGS["fuel_type"].get(text.translate(NOT_COUNTED).lower()) if text.isascii() else None


def direction(text: str) -> str | None:
    """The canonical compass direction, one of sixteen; `southbound` is one."""
    key = text.translate(NOT_COUNTED).lower().removesuffix("bound")
    return MEANINGS["direction"].get(key) if text.isascii() else None


class Words:
    """Brings words to those of the vocabularies, with the spellings that a configuration adds."""

    def __init__(self, spellings: dict[str, str], unknown: str, problems: dict[str, str]):
        self.spellings, self.refuses_unknown = {}, unknown == "reject"
        for spelling, meaning in sorted(spellings.items()):
            word = fuel_type(meaning) or direction(meaning)
            if word is None:
                problems[f"spellings.{spelling}"] = (
                    f"`{meaning}` is not a word that this plugin knows: write one that it writes"
                )
            self.spellings.setdefault(spelling.strip().lower(), word)
        self.fuel_type = self._normaliser(fuel_type, "`fuelType` is not a known fuel type")
        self.direction = self._normaliser(direction, "`direction` is not a compass direction")

    def _normaliser(self, vocabulary: Callable, reason: str) -> Callable:
        @lru_cache(maxsize=1024)
        def normalise(text: str | None) -> str | None:
            """The canonical word, or an unknown one without blanks around it; null stays null."""
            if text is None:
                return None
            word = vocabulary(text) or vocabulary(self.spellings.get(text.strip().lower(), ""))
            if word is None and self.refuses_unknown:
                raise Reject(reason)
            return word or text.strip()

        return normalise
