"""A marimo notebook: functions and widgets in place of magics."""

import marimo

app = marimo.App()


@app.cell
def make():
    import synthkit as sk

    run = sk.generate(
        "Name a {{ colour }} fruit.", vary={"colour": ["red", "green"]}, n=4, model="fake"
    )
    run
    return run, sk


@app.cell
def mark(run):
    from synthkit.notebook import Marker

    marker = Marker(run.table, name="fruit", by="ana")
    marker
    return


@app.cell
def draw(run, sk):
    sk.plots.balance(run.table["colour"].value_counts().to_dict())
    return


if __name__ == "__main__":
    app.run()
