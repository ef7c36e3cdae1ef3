"""A job on a Ray cluster: the same run, with one process a worker, started by Ray Train.

- The recipe goes to the workers as text, and so does the code; data, a model's folder and the
  output have to lie on storage that all of them see.
- Checkpoints are the job's own, in its output: the same command goes on from the last whole one.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from reranker.errors import MissingExtraError, RerankerError, SettingsError
from reranker.files import write_atomically
from training.errors import TrainingError
from training.recipe import Recipe

RAY = "ray"
_PROBE = ".seen-by-all"


def train_on_ray(recipe: Recipe, output: str | Path, workers: int) -> Path:
    """Carry out a recipe on a Ray cluster; see `training.job.train`.

    The cluster is the one that `RAY_ADDRESS` names or this machine belongs to, else one that is
    started here. Workers get a GPU each where the cluster has any, unless the recipe says
    `device: cpu`.

    Raises:
        MissingExtraError: where Ray is not installed.
        SettingsError: for a path that means another one to each worker.
        RerankerError: as `train` does, and for an output that a worker does not see.
    """
    ray, train, TorchTrainer = _imported()
    output = Path(output).expanduser().absolute()
    recipe = _absolute(recipe)
    with _connected(ray), _probed(output) as token:
        trainer = TorchTrainer(
            _work,
            train_loop_config={"recipe": recipe.text(), "output": str(output), "token": token},
            scaling_config=train.ScalingConfig(num_workers=workers, use_gpu=_gpus(recipe, ray)),
            run_config=train.RunConfig(storage_path=str(output / RAY), name=f"run-{token}"),
        )
        try:
            trainer.fit()
        except train.TrainingFailedError as error:
            raise _ours(error) from error
    return output


def _work(given: Mapping[str, str]) -> None:
    """What every worker does."""
    from training.job import train

    rank = int(os.environ["RANK"])
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("training").setLevel(logging.WARNING if rank else logging.INFO)
    output = Path(given["output"])
    _check_shared(output, given["token"])
    train(Recipe.parse(given["recipe"]), output)


def _imported() -> tuple[Any, Any, Any]:
    try:
        import ray
        from ray import train
        from ray.train.torch import TorchTrainer
    except ImportError as error:
        raise MissingExtraError("ray[train]", "train", "training on a Ray cluster") from error
    return ray, train, TorchTrainer


@contextmanager
def _connected(ray: Any) -> Iterator[None]:
    """Within a cluster, which is left again if it was entered here."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import data
    import reranker
    import training

    code = [str(Path(str(room.__file__)).parent) for room in (reranker, data, training)]
    ray.init(runtime_env={"py_modules": code})
    try:
        yield
    finally:
        ray.shutdown()


def _gpus(recipe: Recipe, ray: Any) -> bool:
    return recipe.device != "cpu" and bool(ray.cluster_resources().get("GPU"))


def _absolute(recipe: Recipe) -> Recipe:
    """The recipe with a data folder that is the same wherever a worker runs."""
    folders = {"model": recipe.model, "lora.start": (recipe.lora and recipe.lora.start) or "/"}
    for key, name in folders.items():
        path = Path(name).expanduser()
        if path.exists() and not path.is_absolute():
            raise SettingsError(
                f"{key}: {name} is a path that each worker would look for in a folder of its own; "
                f"give {path.absolute()}"
            )
    folder = Path(recipe.data_folder).expanduser().absolute()
    return replace(recipe, data_folder=str(folder))


@contextmanager
def _probed(output: Path) -> Iterator[str]:
    """A token that lies in the output, by which workers tell that it is the same folder."""
    token = uuid4().hex[:12]
    try:
        write_atomically(output / _PROBE, token)
    except OSError as error:
        raise TrainingError(f"{output} cannot be made ({error}); give another --output") from error
    try:
        yield token
    finally:
        (output / _PROBE).unlink(missing_ok=True)


def _check_shared(output: Path, token: str) -> None:
    try:
        found = (output / _PROBE).read_text(encoding="utf-8")
    except OSError:
        found = ""
    if found != token:
        raise TrainingError(
            f"a worker on node {os.uname().nodename} does not see {output} as it was made; the "
            "output must lie on storage that all nodes share at the same path, such as NFS"
        )


def _ours(error: Exception) -> RerankerError:
    """The first error of this project that a worker ended on, or one that tells Ray's."""
    failures: Mapping[int, BaseException] = getattr(error, "worker_failures", None) or {}
    for _, failure in sorted(failures.items()):
        cause: BaseException | None = failure
        while cause is not None:
            if isinstance(cause, RerankerError):
                return cause
            cause = cause.__cause__ or getattr(cause, "cause", None)
    return TrainingError(
        f"the run on Ray ended on an error ({error}); the same command goes on from the last whole "
        "checkpoint"
    )
