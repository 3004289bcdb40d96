"""A class in JupyterLab: a student hints at the name, the teacher decides what is contested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, only_in
from tests.browser.marking import with_session

pytestmark = pytest.mark.browser

SETUP = """
%load_ext synthkit
%config SynthMagics.folder = "{folder}"
import pandas as pd
import synthkit as sk
texts = [f"The soup of day {{n}}." for n in range({n})]
said = pd.DataFrame({{"id": list("abcdef"), "text": texts}})
CLASS = {{"Maya": "aara--", "Bo Li": "arr-a-", "Cy": "aaarr-"}}
def collect():
    for name, labels in CLASS.items():
        with sk.Session("{folder} of " + name) as session:
            session.person = name
            for id, label in zip("abcdef", labels):
                if label != "-":
                    session.mark(id, dict(a="accept", r="reject")[label], by=name)
            session.export(f"{folder} {{name}}.zip")
"""


@only_in("lab")
def test_the_teacher_decides_contested_rows_and_sees_the_progress(
    open_notebook: Open, pictures: Path
) -> None:
    sheet = with_session(
        open_notebook,
        SETUP,
        "%synth mark said",
        "collect()\nimport glob\nfiles = glob.glob('session* *.zip')\n%synth class collect @files",
        "%synth me Ms Ada",
        "%synth class adjudicate said",
        "%synth class dashboard said",
        "%synth class agreement said",
        "said_adjudicated.decided.tolist()",
        n=6,
    )
    sheet.run_all()
    expect(sheet.cell(1)).to_contain_text("marks are by 'me'; %synth me NAME names you")
    expect(sheet.cell(2)).to_contain_text("3 bundles: 13 marks new")
    stage = sheet.cell(4).locator(".sk-mark-stage")
    expect(stage).to_contain_text("accept: Maya; reject: Cy")
    expect(stage).to_contain_text("The soup of day 3.")
    expect(sheet.cell(4)).not_to_contain_text("names you")
    stage.click()
    sheet.press("x")
    expect(stage).to_contain_text("accept: Bo Li; reject: Cy")
    expect(sheet.cell(5).locator(".js-plotly-plot")).to_be_visible()
    expect(sheet.cell(6)).to_contain_text(re.compile(r"Krippendorff's alpha \(nominal\): -0\.2 \["))
    sheet.run(4)
    sheet.run(7)
    expect(sheet.cell(7)).to_contain_text("'teacher'")
    for at, name in ((4, "adjudicate"), (5, "dashboard")):
        sheet.screenshot(pictures, f"class-{name}", sheet.cell(at))
