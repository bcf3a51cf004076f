"""Who gets in, and what every answer carries.

The console of one run has one random key. The printed address holds it (`/?key=…`); the page it opens sets a cookie
(HttpOnly, SameSite=Strict) and takes the key out of the address bar. Without cookie or key: 401, for everything, static files
included. The cookie's name depends on the key, because browsers share the cookies of 127.0.0.1 between all ports, and its value
is derived from the key, so that it does not give the key away. A foreign Host header is refused: that closes DNS rebinding.
"""

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


def content_security_policy(tile_source: str | None) -> str:
    """No inline script or style, nothing from elsewhere; images also from the operator's tile server where one is configured."""
    images = f"'self' data: {tile_source}" if tile_source else "'self' data:"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; manifest-src 'self'; "
        f"img-src {images}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class AccessGate:
    """ASGI middleware: lets requests with this run's key or cookie through and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, *, key: str, refusal_html: str, refusal_style: str, policy: str) -> None:
        self._app = app
        self._key = key
        self.cookie_name = "homeward_" + hashlib.sha256(key.encode()).hexdigest()[:8]
        self._cookie_value = hmac.digest(key.encode(), b"console session", "sha256").hex()
        self._refusal_html = refusal_html
        style_hash = _base64(hashlib.sha256(refusal_style.encode()).digest())
        self._refusal_policy = f"default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; frame-ancestors 'none'"
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no WebSocket is served
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        if _host_name(headers.get("host", "")) not in _LOCAL_HOSTS:
            refusal = Response("This console answers to 127.0.0.1 alone.", status_code=421, media_type="text/plain")
            await refusal(scope, receive, self._guarded(send, scope["path"], self._policy, None))
            return
        enters = scope["path"] == "/" and self._has_key(scope)
        if not enters and not self._has_cookie(headers.get("cookie", "")):
            await self._refuse(scope["path"])(scope, receive, self._guarded(send, scope["path"], self._refusal_policy, None))
            return
        cookie = f"{self.cookie_name}={self._cookie_value}; Path=/; HttpOnly; SameSite=Strict" if enters else None
        await self._app(scope, receive, self._guarded(send, scope["path"], self._policy, cookie))

    def _has_key(self, scope: Scope) -> bool:
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("key", [""])[0]
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._key.encode())

    def _has_cookie(self, header: str) -> bool:
        try:
            morsel = SimpleCookie(header).get(self.cookie_name)
        except CookieError:
            return False
        return morsel is not None and hmac.compare_digest(morsel.value.encode(), self._cookie_value.encode())

    def _refuse(self, path: str) -> Response:
        if path.startswith("/api/"):
            return JSONResponse({"error": "open the address that the console printed when it started"}, status_code=401)
        return HTMLResponse(self._refusal_html, status_code=401)

    @staticmethod
    def _guarded(send: Send, path: str, policy: str, cookie: str | None) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers["Permissions-Policy"] = "geolocation=(), camera=(), microphone=(), payment=(), usb=()"
                # Where people are must not stay in a browser's cache; the page's own files may, once checked.
                headers["Cache-Control"] = "no-cache" if path.startswith("/static/") else "no-store"
                if cookie:
                    headers.append("Set-Cookie", cookie)
            await send(message)

        return guarded


def _host_name(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host


def _base64(raw: bytes) -> str:
    from base64 import b64encode

    return b64encode(raw).decode()
