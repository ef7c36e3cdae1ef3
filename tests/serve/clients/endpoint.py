"""`python -m tests.serve.clients.endpoint`: a server until standard input ends; writes its port."""

import sys

from serve.errors import Refusal, ServiceError
from serve.http import create_app
from serve.request import RerankRequest, RerankResponse
from tests.serve.fake import KEY, FakeService
from tests.serve.server import serving


class BusyService(FakeService):
    """Refuses every other request for the model `busy`."""

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        if request.model == "busy":
            self.error = (
                None
                if self.error
                else ServiceError(Refusal.QUEUE_FULL, "come again", retry_after=1.0)
            )
        return await super().rerank(request)


if __name__ == "__main__":
    with serving(create_app(BusyService(KEY))) as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        sys.stdin.read()
