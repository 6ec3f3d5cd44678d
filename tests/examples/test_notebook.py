"""The notebook runs from top to bottom at a small size, and is kept without outputs."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs nbclient and ipykernel")
NotebookClient = pytest.importorskip("nbclient", reason="needs nbclient").NotebookClient
pytest.importorskip("ipykernel", reason="needs ipykernel")

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "from_audio_to_answer.ipynb"
#: Takes the place of the cell that is tagged ``parameters``.
SMALL = """
from pathlib import Path
FOLDER, RECORDINGS, ATTACKS, STEPS, WINDOW_S = Path("notebook"), 18, ["A01", "A02", "A07", "A16"], 12, 1.0
"""


def test_it_is_kept_without_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells if cell.cell_type == "code")


# Jupyter's client and kernel leave sockets and loops to the garbage collector.
@pytest.mark.filterwarnings("default")
def test_it_runs_and_answers(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    parameters = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(parameters) == 1
    # Every name that the small size sets is one that the notebook sets.
    assert all(f"\n{name} = " in f"\n{parameters[0].source}" for name in ("FOLDER", "RECORDINGS", "ATTACKS", "STEPS"))
    parameters[0].source = SMALL
    NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    told = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert "EER " in told
    assert "prior 0.99: P(bona fide) = " in told
    assert {"image/png", "image/svg+xml", "text/html"} <= kinds
    assert (tmp_path / "notebook" / "run" / "best.safetensors").is_file()
