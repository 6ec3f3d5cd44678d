"""Ask the HTTP service, with nothing but Python's standard library; any language does it alike.

The service needs the extra `serve`. Nothing of a recording is kept by it.

Run, after `make demo`:  mma serve --model demo=demo/run
and in another window:   python examples/ask_the_service.py http://127.0.0.1:8000 FILE ...
"""

import json
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path

base, *files = sys.argv[1:]
if not files:
    sys.exit("which files? python examples/ask_the_service.py http://127.0.0.1:8000 recording.wav")


def multipart(paths: list[str]) -> tuple[bytes, str]:
    """The body of an upload of files, and its type."""
    boundary = uuid.uuid4().hex
    body = b""
    for path in map(Path, paths):
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        body += head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + path.read_bytes() + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


body, kind = multipart(files)
# Where the service has keys, add a header: "X-API-Key": "...".
request = urllib.request.Request(f"{base}/v1/score?prior=0.5", body, {"Content-Type": kind})
try:
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)
except urllib.error.HTTPError as error:  # 422 where no file could be scored, with the reason for each
    answer = json.load(error)
    if "files" not in answer:
        sys.exit(f"{error.code}: {answer}")

print(f"model {answer['model']['name']} ({answer['model']['recipe']}), {answer['meaning']}")
for file in answer["files"]:
    if file["error"]:
        print(f"{file['name']}: {file['error']['got']}; wanted: {file['error']['wanted']}")
        continue
    result = file["result"]
    print(f"{file['name']}: score {result['score']:+.3f}, of {result['heard_s']:.2f} of {result['duration_s']:.2f} s")
    if result["calibrated"]:
        print(f"    P(bona fide) = {result['calibrated']['probability']:.3f} at a prior of 0.5")
    for difference in result["unlike"] or []:
        print(f"    unlike what the model knows: {difference}")
