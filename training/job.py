"""A job: a recipe carried out, from its data to a folder that `Reranker` loads."""

import logging
from collections.abc import Sequence
from pathlib import Path

from reranker.checkpoint import UNLIMITED, context_tokens
from reranker.encoder import Encoder
from reranker.errors import SettingsError
from reranker.prompter import Prompter
from training.arguments import arguments, events
from training.checkpoints import last_whole
from training.dev import dev_sets
from training.errors import TrainingError
from training.evaluation import Evaluation
from training.examples import Examples, Separators
from training.mixture import Mixture, Source
from training.model import ListwiseModel, build
from training.recipe import Recipe
from training.record import Record
from training.result import Result
from training.sources import open_source
from training.trainer import ListwiseTrainer

CHECKPOINTS = "checkpoints"
EVENTS = "tensorboard"

log = logging.getLogger(__name__)


def train(recipe: Recipe, output: str | Path) -> Path:
    """Carry out a recipe; a run that `output` holds already is gone on with.

    Returns the folder, which `Reranker(folder)` loads.

    Raises:
        RerankerError: for data, models or settings that do not make a run, a folder that holds
            another run, a loss that is no number, or a disk that is full.
    """
    output = Path(output).expanduser()
    sources = [open_source(item, recipe) for item in recipe.data]
    dev = dev_sets(recipe)
    model, tokenizer = build(recipe)
    encoder, context = Encoder(tokenizer), context_tokens(model.base)
    examples = examples_of(recipe, sources, encoder, context)
    evaluation = Evaluation(
        dev,
        Prompter(encoder, recipe.settings(), context),
        recipe.settings(),
        pass_tokens=recipe.pass_tokens,
    )
    record = Record.of(recipe, examples.mixture)
    checkpoint = _checkpoint(output, record)
    whole = tokenizer if recipe.lora is None else None
    result = Result(output, recipe.settings(), record, whole)
    trainer = _trainer(recipe, model, examples, evaluation, result, checkpoint)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    return output


def _trainer(
    recipe: Recipe,
    model: ListwiseModel,
    examples: Examples,
    evaluation: Evaluation,
    result: Result,
    checkpoint: Path | None,
) -> ListwiseTrainer:
    given = arguments(recipe, result.folder / CHECKPOINTS)
    make: type[ListwiseTrainer] = ListwiseTrainer
    if recipe.fsdp:
        from training.sharding import ShardedTrainer, shard

        model, make = shard(model, given.device, checkpoint), ShardedTrainer
    trainer = make(
        model,
        given,
        examples,
        objective=recipe.parsed_objective(),
        evaluation=evaluation,
        result=result,
        pass_tokens=recipe.pass_tokens,
        reference_kl=recipe.reference_kl,
    )
    if recipe.tensorboard:
        trainer.add_callback(events(result.folder / EVENTS))
    return trainer


def examples_of(
    recipe: Recipe, sources: Sequence[Source], encoder: Encoder, context: int
) -> Examples:
    """All windows of a run over these sources, for a model that reads `context` tokens."""
    separators = None
    if recipe.parsed_objective().language is not None:
        separators = Separators(encoder.literal("] > ["), encoder.literal("]"))
        context -= recipe.window.most * (1 + len(separators.between))
    settings = recipe.settings().override(passage_tokens=recipe.passage_tokens.most)
    if recipe.queries > 1:
        # The room is reckoned with the first query; another may be as long as any.
        context -= settings.query_tokens
    prompter = Prompter(encoder, settings, context, guarded=recipe.identifiers or UNLIMITED)
    mixture = Mixture(
        sources,
        seed=recipe.seed,
        sizes=recipe.window,
        identifiers=_identifiers(recipe, len(prompter.identifiers)),
        queries=_queries(recipe, prompter),
    )
    return Examples(
        mixture,
        prompter,
        lengths=recipe.passage_tokens.sizes(),
        count=recipe.steps * recipe.batch,
        separators=separators,
        decoys=recipe.decoys,
        likelihood_dropout=recipe.likelihood_dropout,
        frozen=settings.frozen_passages,
    )


def _queries(recipe: Recipe, prompter: Prompter) -> int:
    if recipe.queries > 1 and not (prompter.query_last or prompter.asks_after):
        raise SettingsError(
            f"queries: {recipe.queries} share their passages, but layout {prompter.layout.name!r} "
            "reads the query before them; set queries: 1, or a layout that reads it after (suffix)"
        )
    return recipe.queries


def _identifiers(recipe: Recipe, available: int) -> int:
    """How many identifiers the windows' are drawn from."""
    wanted = recipe.identifiers or available
    if not recipe.window.most <= wanted <= available:
        raise SettingsError(
            f"windows of up to {recipe.window.most} passages and identifiers: "
            f"{recipe.identifiers} were asked for, and the tokenizer has {available} identifiers; "
            "lower them, or choose a larger alphabet"
        )
    return wanted


def _checkpoint(output: Path, record: Record) -> Path | None:
    """The checkpoint to go on from, if there is one; `output` is there afterwards."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{output} cannot be made ({error}); give another --output") from error
    checkpoint = last_whole(output / CHECKPOINTS)
    if checkpoint is not None:
        record.check_same(checkpoint)
        log.info("going on from %s", checkpoint)
    return checkpoint
