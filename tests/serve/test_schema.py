"""schemathesis over the OpenAPI: no 5xx, nothing that the description does not allow."""

import os

import pytest

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, settings  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

from serve.http import create_app  # noqa: E402
from tests.serve.fake import KEY, FakeService  # noqa: E402

EXAMPLES = int(os.environ.get("RERANKER_SCHEMA", "20"))
schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(FakeService(KEY)))


# Headers that nobody asked for are no violation.
schema.config.generation.allow_extra_parameters = False


@schema.auth()
class _Key:
    def get(self, case, context):
        return f"Bearer {KEY}"

    def set(self, case, data, context):
        case.headers["Authorization"] = data


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_sent_the_answer_is_as_described(case):
    # What is valid may still be refused: a list that does not match another one, an object whose
    # text has none of the names, keys of two dialects on a shared path.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
