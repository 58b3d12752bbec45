"""`campana models`: which speech models there are, fetching them, and whether they are whole."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from campana.cli.context import AsJson, console, print_json, settings_of, stderr
from campana.settings import Settings
from campana.speech_choice import ESPEAK
from models.progress import Phase
from models.progress import Progress as Step
from models.shelf import State, Status
from models.store import ModelStore

app = typer.Typer(no_args_is_help=True, help="Speech models: list, fetch, verify.")

Names = Annotated[list[str] | None, typer.Argument(help="Model ids; none means what the settings need.")]


def store_of(settings: Settings) -> ModelStore:
    """The models of the settings' folder."""
    return ModelStore(settings.models.folder)


def needed(settings: Settings) -> list[str]:
    """The models that conversations need: ears, voice, voice activity and turn detection."""
    models, services = settings.models, settings.services
    chosen = [models.listening, models.speaking, *models.ears.values(), *models.voices.values(), "vad", "turn"]
    elsewhere = {service.name for service in (*services.tts, *services.stt)}
    return [name for name in dict.fromkeys(chosen) if name not in elsewhere and not name.startswith(ESPEAK)]


@app.command("list", epilog="Example: campana models list --json")
def list_models(context: typer.Context, as_json: AsJson = False) -> None:
    """Show every model of the catalogue: kind, language, size, licence, and whether it is here."""
    settings = settings_of(context)
    store = store_of(settings)
    rows = [_row(store.status(model.id), model.id in needed(settings)) for model in store.catalogue.models]
    if as_json:
        print_json(rows)
        return
    table = Table(title=f"Models in {store.models_dir}", title_justify="left")
    for heading in ("model", "kind", "languages", "size", "licence", "state", "used"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        size = f"{row['size_bytes'] / 1e6:.0f} MB" if isinstance(row["size_bytes"], int) else "unknown"
        table.add_row(
            str(row["id"]),
            str(row["kind"]),
            str(row["languages"]),
            size,
            str(row["licence"]),
            str(row["state"]),
            "yes" if row["needed"] else "",
        )
    console.print(table)


@app.command("fetch", epilog="Example: campana models fetch stt-base tts-en-joe")
def fetch(context: typer.Context, names: Names = None, as_json: AsJson = False) -> None:
    """Fetch models and verify every file's sha256; an interrupted fetch resumes."""
    settings = settings_of(context)
    statuses = fetch_with_progress(store_of(settings), names or needed(settings))
    if as_json:
        print_json([_row(status, True) for status in statuses])


@app.command("verify", epilog="Example: campana models verify")
def verify(context: typer.Context, names: Names = None, as_json: AsJson = False) -> None:
    """Read the files again and compare each sha256; exit 1 when a needed model is not whole."""
    settings = settings_of(context)
    wanted = names or needed(settings)
    statuses = store_of(settings).verify(wanted)
    if as_json:
        print_json([_row(status, True) for status in statuses])
    else:
        for status in statuses:
            console.print(f"{status.model.id}: {status.state.value}" + (f" - {status.error}" if status.error else ""))
    if any(status.error for status in statuses):
        raise typer.Exit(1)


def fetch_with_progress(store: ModelStore, names: list[str]) -> list[Status]:
    """Fetch what is missing, with a bar for each file on standard error."""
    missing = [name for name in names if store.status(name).state is not State.OK]
    if not missing:
        return [store.status(name) for name in names]
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr) as bars:
        tasks: dict[tuple[str, str, Phase], TaskID] = {}

        def tell(step: Step) -> None:
            if step.phase is Phase.SOURCE_FAILED:
                bars.console.print(f"{step.model_id}: {step.note}", markup=False)
                return
            key = (step.model_id, step.file, step.phase)
            if key not in tasks:
                tasks[key] = bars.add_task(f"{step.model_id}: {step.phase.value} {step.file}", total=None)
            bars.update(tasks[key], completed=step.done_bytes, total=step.total_bytes)

        store.fetch(missing, progress=tell)
    return [store.status(name) for name in names]


def _row(status: Status, is_needed: bool) -> dict[str, object]:
    model = status.model
    return {
        "id": model.id,
        "kind": model.kind.value,
        "languages": " ".join(model.languages),
        "size_bytes": model.size,
        "licence": model.licence,
        "state": status.state.value,
        "needed": is_needed,
        "unpinned": list(status.unpinned),
        "folder": str(status.folder) if status.folder else None,
        "problem": str(status.error) if status.error else None,
    }
