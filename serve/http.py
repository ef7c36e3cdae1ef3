"""The HTTP application: every path there is, and who may ask it. Knows nothing of Ray.

This is the one place where paths are registered. All but `PUBLIC` and the page ask for a key.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response, Security
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import FileResponse

import reranker
from serve.answering import refuse
from serve.body import BodyLimit
from serve.dialects import ALIASES
from serve.endpoint import Service, endpoint
from serve.envelope import ID_HEADER, Envelope
from serve.errors import Refusal, ServiceError
from serve.logs import event
from serve.openapi import TIMEOUT_HEADER, components, operation, refusals
from serve.tracing import Traces

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

PUBLIC = frozenset({"/docs", "/openapi.json", "/healthz", "/readyz"})
PAGE = Path(__file__).parent / "page"
_DOCS = Path(__file__).parent / "docs.html"
_KEY_HEADER = "x-api-key"
_PAGE_POLICY = "default-src 'self'; base-uri 'none'; frame-ancestors 'none'"
_DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
)

log = logging.getLogger(__name__)


class _Application(FastAPI):
    """FastAPI, which is told the schemas of bodies that it does not read itself."""

    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        described.setdefault("components", {}).setdefault("schemas", {}).update(components())
        return described


def create_app(
    service: Service,
    *,
    routers: Sequence[APIRouter] = (),
    origins: Sequence[str] = (),
    page: Path = PAGE,
    tracer: "Tracer | None" = None,
) -> FastAPI:
    """The application over a service.

    Args:
        service: what ranks; its keys guard every path but the public ones.
        routers: more paths, guarded as the others are.
        origins: origins of pages elsewhere that may call it; none by default.
        page: a folder of static files, served at `/` where it exists.
        tracer: traces rerankings.
    """
    app = _Application(
        title="Reranker",
        version=reranker.__version__,
        description="Listwise reranking in the dialects that reranking clients already speak.",
        docs_url=None,
        redoc_url=None,
    )
    guard = [Depends(_guard(service))]
    for path, dialects in ALIASES.items():
        app.add_api_route(
            path,
            endpoint(service, dialects),
            methods=["POST"],
            dependencies=guard,
            summary=", ".join(each.name for each in dialects),
            openapi_extra=operation(dialects),
        )
    for router in routers:
        app.include_router(router, dependencies=guard)
    _add_status(app, service, guard)
    _add_pages(app, page)
    _add_refusals(app, service)
    _add_middleware(app, service, origins, tracer)
    return app


def _guard(service: Service) -> Any:
    bearer = APIKeyHeader(name="Authorization", auto_error=False, scheme_name="Bearer KEY")
    plain = APIKeyHeader(name=_KEY_HEADER, auto_error=False, scheme_name="KEY")

    async def guard(
        authorization: Annotated[str | None, Security(bearer)],
        key: Annotated[str | None, Security(plain)],
    ) -> None:
        service.keys.check(key if authorization is None else authorization)

    return guard


def _add_status(app: FastAPI, service: Service, guard: list[Any]) -> None:
    @app.get("/info", dependencies=guard, responses=refusals((401, 503)))
    async def info() -> dict[str, Any]:
        """Model, layout, limits, version, and which dialects are spoken where."""
        paths = {path: [each.name for each in dialects] for path, dialects in ALIASES.items()}
        return {**service.info(), "paths": paths}

    @app.get("/metrics", dependencies=guard, responses=refusals((401,)), response_class=Response)
    async def metrics() -> Response:
        """Metrics, as Prometheus reads them."""
        return Response(service.metrics.render(), media_type=service.metrics.content_type)

    @app.get("/healthz", responses=refusals((503,)))
    async def healthz() -> dict[str, str]:
        """Whether this replica can still answer."""
        return _status(service.healthy, "healthy")

    @app.get("/readyz", responses=refusals((503,)))
    async def readyz() -> dict[str, str]:
        """Whether this replica takes requests in."""
        return _status(service.ready, "ready")


def _status(good: bool, name: str) -> dict[str, str]:
    if not good:
        raise ServiceError(Refusal.NOT_READY, f"this replica is not {name}", retry_after=1.0)
    return {"status": name}


def _add_pages(app: FastAPI, page: Path) -> None:
    _add_file(app, "/docs", _DOCS, _DOCS_POLICY)
    # A route a file, not a mount at `/`: that would take every unknown path and method.
    for file in sorted(each for each in page.rglob("*") if each.is_file()):
        name = file.relative_to(page).as_posix()
        _add_file(app, "/" if name == "index.html" else f"/{name}", file, _PAGE_POLICY)


def _add_file(app: FastAPI, path: str, file: Path, policy: str) -> None:
    async def page() -> Response:
        # Asked again each time, so that no old module outlives an upgrade.
        headers = {"content-security-policy": policy, "cache-control": "no-cache"}
        return FileResponse(file, headers=headers)

    app.add_api_route(path, page, methods=["GET", "HEAD"], include_in_schema=False)


def _add_refusals(app: FastAPI, service: Service) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        # What the service was asked, it counts and logs itself.
        if isinstance(error, ServiceError) and not getattr(request.state, "asked", False):
            service.metrics.refused(error.refusal)
            outcome = {"id": request.state.id, "outcome": error.refusal.name.lower()}
            event(log, "refused", {**outcome, "path": request.url.path})
        return refuse(request, error)

    app.add_exception_handler(ServiceError, refused)
    app.add_exception_handler(HTTPException, refused)


def _add_middleware(
    app: FastAPI, service: Service, origins: Sequence[str], tracer: "Tracer | None"
) -> None:
    """The last one added is the first one met."""
    app.add_middleware(BodyLimit, limit=lambda: service.limits.max_body_bytes)
    if tracer is not None:
        app.add_middleware(Traces, tracer=tracer)
    app.add_middleware(Envelope)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", _KEY_HEADER, ID_HEADER, TIMEOUT_HEADER],
            expose_headers=[ID_HEADER, "retry-after", "server-timing", "x-warnings"],
        )
