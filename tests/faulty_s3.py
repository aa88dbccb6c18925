"""AWS that fails as AWS does: a layer in front of moto that spoils a share of the requests, and lists what it did."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server

REGION = "us-east-1"
SLOW_S = (0.5, 2.0)
WRITES = ("PUT", "POST", "DELETE")

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Fault(StrEnum):
    """What may happen to a request."""

    INTERNAL_ERROR = "500 before the request was done"
    SLOW_DOWN = "503 before the request was done"
    SLOW = "done, late"
    LOST_ANSWER = "done, then 500"
    CUT = "done, then the connection is cut"


LOST = (Fault.LOST_ANSWER, Fault.CUT)
"""The request was done, and whoever asked does not learn of it."""


@dataclass(frozen=True)
class Spoilt:
    """A request that did not go as asked; `conditional` where it may only create, never replace."""

    fault: Fault
    method: str
    path: str
    conditional: bool


@dataclass
class FaultyS3:
    """The layer. Each request draws from one seeded generator, until `heal` is called."""

    moto: Application
    seed: int
    share: float = 0.2
    faults: tuple[Fault, ...] = tuple(Fault)
    spoils: Callable[[str, str], bool] = lambda method, path: True
    """Which requests, by method and path, may be spoilt at all."""
    loses: frozenset[str] = frozenset()
    """Folders of which the first object that is put loses its answer, whatever is drawn."""
    key_is_denied: bool = False
    """Secrets Manager refuses whoever asks for a secret."""
    requests: int = 0
    spoilt: list[Spoilt] = field(default_factory=list)
    creations: Counter[str] = field(default_factory=Counter)
    """Conditional creations that S3 accepted, by path: none may be accepted twice."""

    def __post_init__(self) -> None:
        """Nothing drawn yet."""
        self._chance = random.Random(self.seed)
        self._lock = threading.Lock()
        self._to_lose = set(self.loses)

    def heal(self) -> None:
        """From now on every request goes as asked."""
        self.share = 0.0

    def counts(self, *methods: str) -> Counter[Fault]:
        """How often each fault happened, to requests of these methods or to all."""
        return Counter(s.fault for s in self.spoilt if not methods or s.method in methods)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request, or do to it what was drawn."""
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith("secretsmanager."):
            return self._secret(environ, start_response)
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        conditional = "HTTP_IF_NONE_MATCH" in environ and method in WRITES
        with self._lock:
            self.requests += 1
            drawn, kind, wait = self._chance.random(), self._chance.choice(self.faults), self._chance.uniform(*SLOW_S)
            fault = kind if drawn < self.share and self.spoils(method, path) else None
            folder = Path(path).parent.name
            if method == "PUT" and folder in self._to_lose:
                self._to_lose.remove(folder)
                fault = Fault.LOST_ANSWER
            if fault is not None:
                self.spoilt.append(Spoilt(fault, method, path, conditional))
        if fault in (Fault.INTERNAL_ERROR, Fault.SLOW_DOWN):
            _read(environ)
            return _refused(fault is Fault.SLOW_DOWN, method, start_response)
        if fault is Fault.SLOW:
            time.sleep(wait)
        said: list[tuple[str, Any]] = []

        def keep(status: str, headers: Any, *rest: Any) -> None:
            said.append((status, headers))

        answer = self.moto(environ, keep)
        body = b"".join(answer)
        status, headers = said[-1]
        if conditional and status.startswith("2"):
            with self._lock:
                self.creations[path] += 1
        if fault is Fault.CUT:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError
        if fault is Fault.LOST_ANSWER:
            return _refused(False, method, start_response)
        start_response(status, headers)
        return [body]

    def _secret(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not self.key_is_denied or not environ["HTTP_X_AMZ_TARGET"].endswith(".GetSecretValue"):
            return self.moto(environ, start_response)
        _read(environ)
        text = b'{"__type": "AccessDeniedException", "Message": "User is not authorized to perform this."}'
        head = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(text)))]
        start_response("400 Bad Request", head)
        return [text]


def _read(environ: Mapping[str, Any]) -> None:
    """Take the body that a refused request brought: the sender would else see a broken connection in place of the answer."""
    waiting = int(environ.get("CONTENT_LENGTH") or 0)
    while waiting > 0 and (part := environ["wsgi.input"].read(min(waiting, 1 << 20))):
        waiting -= len(part)


def _refused(slow_down: bool, method: str, start_response: Any) -> list[bytes]:
    status, code = ("503 Slow Down", "SlowDown") if slow_down else ("500 Internal Server Error", "InternalError")
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as drawn</Message></Error>".encode()
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
    return [] if method == "HEAD" else [text]


class Silent(WSGIRequestHandler):
    """Says nothing of requests; a connection that the layer cut is no error of the server."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Not a word."""

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        """As the layer meant it."""

    def finish(self) -> None:
        """End a connection that may be gone."""
        try:
            super().finish()
        except OSError:
            return


@dataclass(frozen=True)
class Store:
    """A bucket behind the layer, as Spark and as boto3 reach it."""

    layer: FaultyS3
    endpoint: str
    bucket: str

    @property
    def conf(self) -> dict[str, str]:
        """What Spark needs to know of it."""
        settings = {
            "endpoint": self.endpoint,
            "endpoint.region": REGION,
            "access.key": "nobody",
            "secret.key": "nothing",
            "path.style.access": "true",
            "connection.ssl.enabled": "false",
        }
        return {f"spark.hadoop.fs.s3a.{name}": value for name, value in settings.items()}

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 needs to know of it, in another process."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
        }  # fmt: skip

    def client(self, service: str = "s3") -> Any:
        """A client that asks once: what the layer does is seen as it is."""
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id="nobody",
            aws_secret_access_key="nothing", config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip

    def upload(self, folder: Path, prefix: str) -> None:
        """Every file below a folder as an object, past the layer."""
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            backend.put_object(self.bucket, f"{prefix}/{path.relative_to(folder)}", path.read_bytes())

    def download(self, folder: Path) -> None:
        """Every object as a file below a folder, past the layer."""
        for key, found in s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[self.bucket].keys.items():
            if not str(key).endswith("/"):
                path = folder / str(key)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(found.value)


@contextmanager
def faulty_s3(seed: int, bucket: str = "faulty", **layer: Any) -> Iterator[Store]:
    """A bucket of its own behind the layer, on a free port of this machine."""
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    backend.create_bucket(bucket, REGION)
    faulty = FaultyS3(DomainDispatcherApplication(create_backend_app), seed, **layer)
    server = make_server("127.0.0.1", 0, faulty, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Store(faulty, f"http://127.0.0.1:{server.server_port}", bucket)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
        backend.buckets[bucket].keys.clear()
        backend.delete_bucket(bucket)
