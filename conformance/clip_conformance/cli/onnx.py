"""clip-conformance build-onnx."""

import shlex
from pathlib import Path

import click


@click.command("build-onnx", short_help="Write CLIP preprocessing as an ONNX graph.")
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path), metavar="OUTPUT.onnx")
@click.option("--model", default="ViT-B/32", show_default=True, help="A model of `list models`; decides n_px.")
@click.option("--resize-op", is_flag=True, help="Use the operator Resize instead of exact arithmetic.")
def build_onnx(output: Path, model: str, resize_op: bool) -> None:
    """Write CLIP's preprocessing as an ONNX graph (opset 18) to OUTPUT.onnx.

    The graph takes one RGB image, uint8 [height, width, 3] of any size, and gives `center_crop`, `to_tensor` and
    `normalize`, float32 [3, n_px, n_px].

    Without --resize-op it computes the weights itself, in double and 22-bit integers as the standard says, and reaches
    the level exact on the scope arrays for every model. It needs 24 bytes of memory for a pixel that the crop depends
    on.

    With --resize-op the operator Resize interpolates, one axis at a time, and `resize` is an output too. In ONNX
    Runtime that is equivalent on every image of the scope arrays but one, 225 x 22725, where the operator's float32
    coordinates are too coarse; that one makes the level close.

    Images of other modes are converted to RGB before the graph, which the canon does after the crop: the scope modes is
    out of its reach.
    """
    from clip_conformance.cases import targets
    from clip_conformance.errors import UsageError

    chosen = targets(model)
    if len(chosen) != 1:
        raise UsageError("a graph is made for one model; name it with --model")
    try:
        from clip_conformance.onnx.build import build
    except ImportError as error:
        raise UsageError("build-onnx needs onnx; pip install 'clip-conformance[onnx]'") from error
    n_px = chosen[0].n_px
    graph = build(n_px, resize_op=resize_op)
    data = graph.SerializeToString()
    output.write_bytes(data)
    how, level = ("the operator Resize", "close") if resize_op else ("exact arithmetic", "exact")
    outputs = ", ".join(tensor.name for tensor in graph.graph.output)
    click.echo(f"{output}: {n_px} x {n_px} by {how}, {len(data)} bytes, {len(graph.graph.node)} nodes, gives {outputs}")
    words = ["clip-conformance", "check", f"onnx:{output}", "--model", model, "--scope", "arrays", "--require", level]
    click.echo(f"check it: {shlex.join(words)}")
