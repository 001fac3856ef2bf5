"""What the fakes of a provider and of a platform share: an HTTP server on loopback in threads of its own, waiting for
what comes, and the odd ways in which a stranger may answer. And the other direction: one request of theirs to us."""
import http.client
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HUGE_CHUNK, HUGE_CHUNKS = 65536, 1600  # 100 MB


class Loopback:
    """A server at self.url. Whoever derives from it keeps what came, under self.lock, and wakes with self.tell()."""

    def __init__(self, handler, port=0):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.closing = threading.Event()
        house = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256
            block_on_close = False

            def handle_error(self, request, client_address):
                pass

        self._server = Server(("127.0.0.1", port), type("Bound", (handler,), {"house": house}))
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def tell(self):
        with self.changed:
            self.changed.notify_all()

    def wait(self, look, count, timeout):
        """What look() gives once there are count of it; AssertionError after timeout."""
        until = time.monotonic() + timeout
        with self.changed:
            while True:
                found = look()
                left = until - time.monotonic()
                if len(found) >= count:
                    return found
                if left <= 0:
                    raise AssertionError(f"{len(found)} of {count} after {timeout} s")
                self.changed.wait(left)


class Handler(BaseHTTPRequestHandler):
    """One connection. Whoever derives from it defines serve()."""
    protocol_version = "HTTP/1.1"
    house = None
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def body(self):
        """The whole body, or None of a caller who died before he had said it."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        return body if len(body) == length else None

    def answer(self, status, document, headers=()):
        self.raw(status, json.dumps(document).encode(), headers=headers)

    def raw(self, status, body, kind="application/json; charset=UTF-8", headers=(), promise=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if promise is None else promise))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def drop(self):
        self.close_connection = True

    def hang(self):
        """No answer until the server closes."""
        self.house.closing.wait()
        self.drop()

    def huge(self, kind="application/json"):
        self.raw(200, b"", kind=kind, promise=HUGE_CHUNK * HUGE_CHUNKS)
        try:
            for _ in range(HUGE_CHUNKS):
                self.wfile.write(b" " * HUGE_CHUNK)
        except OSError:
            self.drop()


def parsed(body):
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def call(url, method="GET", body=None, headers=None, timeout=5):
    """One request to any URL: (status, body), or (0, what went wrong)."""
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as e:
        return 0, str(e).encode()
    finally:
        connection.close()
