"""What went wrong in a runtime, in one line out of what it says. Pure: no files, no models, no clock."""

from __future__ import annotations

import re

from phi4bench.printable import printable

_PLACE = re.compile(
    r"\S+\.(?:h|cc|cpp|cu):\d+ "
    r"(?:[^()]*::[^()\s]+\((?:[^()]|\([^()]*\))*\)(?: const)?|\S+) "  # a function in full, or by its name alone
)
"""Where in its source onnxruntime was when something went wrong."""
_DEVICE_CALL = re.compile(
    r"(\w+ failure \d+: [^;]+) ; GPU=[^;]* ; hostname=[^;]* ; file=[^;]* ; line=\d+ ; expr=([^;]+);"
)
"""How onnxruntime tells of a call to a device's libraries that failed, behind the places in its source."""


def one_line(error: BaseException, limit: int = 300) -> str:
    text = " ".join(str(error).split())
    if called := _DEVICE_CALL.search(text):
        return f"{called[1]}, in {called[2]}"[:limit]
    return text if len(text) <= limit else text[:limit] + "…"


def unmet(error: BaseException) -> str:
    """What an error of onnxruntime says at last, behind the places in its source; its beginning where it names none."""
    text = " ".join(str(error).split())
    if _DEVICE_CALL.search(text):
        return one_line(error)
    *places, said = _PLACE.split(text)
    return printable(said.rpartition(" was false. ")[2], 200) if places else one_line(error)


def reason_in(heard: str) -> str:
    """The last reason in what onnxruntime logged, without its places in the source; empty where there is none."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", heard)
    found = re.findall(r"(?:with error|FAIL|EXCEPTION|EP_FAIL)\s*:\s*(?!.*with error)(.+)", plain)
    return printable(" ".join(found[-1].split()), 200) if found else ""
