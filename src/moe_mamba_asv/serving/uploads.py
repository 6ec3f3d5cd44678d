"""Files of a request, kept in memory: nothing of a recording touches the disk."""

from dataclasses import dataclass

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from moe_mamba_asv.serving.problems import RequestError

_LONGEST_NAME = 255


@dataclass(frozen=True)
class Upload:
    """One file.

    Attributes:
        name: as the client calls it, for the answer alone.
        content: its bytes.
    """

    name: str
    content: bytes


async def read_uploads(request: Request, max_files: int) -> list[Upload]:
    """The files of a ``multipart/form-data`` request, in order; the field's name does not matter.

    Raises:
        RequestError: 415 another type of body; 400 a body that breaks off, is malformed, holds what is no file
            or no file at all; 413 too many files.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise RequestError(
            415, "not_multipart", f"a body of type {kind.decode('latin-1') or 'none'}", wanted="multipart/form-data"
        )
    reading = _Reading(max_files)
    try:
        parser = MultipartParser(options[b"boundary"], reading.callbacks())  # pyright: ignore[reportArgumentType]
        async for chunk in request.stream():
            parser.write(chunk)
    except FormParserError as error:
        raise RequestError(400, "malformed", "a body that is no well-formed multipart") from error
    if not reading.is_whole:
        raise RequestError(400, "incomplete", "a body that ends before its last boundary", remedy="send it again")
    if not reading.uploads:
        raise RequestError(400, "no_file", "a request without files", remedy="curl -F file=@call.wav …")
    return reading.uploads


class _Reading:
    """Parts as they come."""

    def __init__(self, max_files: int) -> None:
        self.uploads: list[Upload] = []
        self.is_whole = False
        self._max_files = max_files
        self._header = self._value = b""
        self._name: str | None = None
        self._content = bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_part_end": self._end_part,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._end_header,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._name, self._content = None, bytearray()
        if len(self.uploads) == self._max_files:
            raise RequestError(
                413, "too_many_files", "too many files in a request", wanted=f"{self._max_files} or fewer"
            )

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            name = parse_options_header(self._value)[1].get(b"filename")
            self._name = None if name is None else name.decode("utf-8", "replace")[:_LONGEST_NAME]
        self._header = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _end_part(self) -> None:
        if self._name is None:
            raise RequestError(
                400, "not_a_file", "a part without a file name", wanted="files only, options in the address"
            )
        self.uploads.append(Upload(self._name, bytes(self._content)))

    def _end(self) -> None:
        self.is_whole = True
