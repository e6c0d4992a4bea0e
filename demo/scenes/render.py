"""Draws a scene: background, light, weather, subjects, and what the style does to the whole."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import numpy.typing as npt
import skia

from demo.scenes.layout import SQUARE, Spot, layout
from demo.scenes.mascots import mascot
from demo.scenes.palette import NAMED, Colour, mix
from demo.scenes.pen import Pen
from demo.scenes.places.sky import depth, shine
from demo.scenes.scene import Mascot, Scene
from demo.scenes.styles import Fill

Pixels = npt.NDArray[np.uint8]


def render(scene: Scene, width: int, height: int, square: int = SQUARE) -> Pixels:
    """[height, width, 3]; the same scene and size always give the same bytes.

    `square`: side of a square of the grid that things stand on; half of it in a picture of half the size
    gives a small copy of the whole one, rather than a picture of its own.
    """
    block = max(2, scene.style.pixel * min(width, height) // 768) if scene.style.pixel else 1
    block = 1 << (block.bit_length() - 1)
    pixels = _draw(scene, width // block, height // block, square / height)
    return pixels.repeat(block, 0).repeat(block, 1) if block > 1 else pixels


def _draw(scene: Scene, width: int, height: int, square: float) -> Pixels:
    random = Random(scene.seed)
    surface = skia.Surface(width, height)
    canvas = surface.getCanvas()
    pen, aspect = Pen(canvas, scene.style, min(width, height)), width / height
    canvas.translate(0, height)
    canvas.scale(1, -1)
    with pen.frame(0, 0, height):
        scene.place.draw(pen, aspect, replace(scene.light, clouds=scene.clouds), random, scene.detail)
        if scene.style.lit:
            if not scene.place.indoor:
                depth(pen, aspect, scene.light)
            _multiply(canvas, _indoors(scene, scene.light.tint))
        for spot in layout(scene, aspect, square):
            _place(pen, spot)
        if scene.style.lit:
            _multiply(canvas, mix(_indoors(scene, scene.light.tint), (1, 1, 1), 0.55))
            if not scene.place.indoor:
                shine(pen, aspect, scene.light, Random(scene.seed))
        _WEATHER[scene.weather.name](pen, aspect, random)
        if scene.style.fill is Fill.WASH:
            _paper_edge(pen, aspect, random)
    pixels: Pixels = surface.toarray(colorType=skia.kRGB_888x_ColorType)
    return pixels[:, :, :3].copy()


def _indoors(scene: Scene, tint: Colour) -> Colour:
    return mix(tint, (1.0, 0.95, 0.85), 0.35) if scene.place.indoor else tint


def _multiply(canvas: skia.Canvas, tint: Colour) -> None:
    canvas.drawColor(skia.Color4f(*tint, 1.0).toColor(), skia.BlendMode.kMultiply)


def _place(pen: Pen, spot: Spot) -> None:
    width = 0.42 if isinstance(spot.item, Mascot) else spot.item.subject.width * 0.46
    if not spot.airborne:
        pen.shadow(spot.x, spot.y + 0.005, width * spot.height, 0.055 * spot.height)
    with pen.frame(spot.x, spot.y, spot.height):
        if isinstance(spot.item, Mascot):
            mascot(pen, spot.item.look, spot.item.activity)
        else:
            spot.item.subject.draw(pen, NAMED[spot.item.colour])


def _clear(pen: Pen, aspect: float, random: Random) -> None:
    return


def _rain(pen: Pen, aspect: float, random: Random) -> None:
    for _ in range(int(70 * aspect)):
        x, y, long = random.uniform(-0.05, aspect + 0.05), random.uniform(0, 1), random.uniform(0.05, 0.09)
        pen.stroke([(x, y), (x - 0.18 * long, y - long)], (0.68, 0.82, 0.97), 0.006)


def _snowfall(pen: Pen, aspect: float, random: Random) -> None:
    for _ in range(int(60 * aspect)):
        pen.dot(
            random.uniform(0, aspect), random.uniform(0, 1), random.uniform(0.006, 0.014), (1.0, 1.0, 1.0)
        )


def _fog(pen: Pen, aspect: float, random: Random) -> None:
    grey = skia.Color4f(0.9, 0.92, 0.95, 1.0)
    for low, high, strength in ((0.05, 0.5, 0.75), (0.3, 1.0, 0.4)):
        edge = skia.Color4f(grey.fR, grey.fG, grey.fB, 0.0).toColor()
        full = skia.Color4f(grey.fR, grey.fG, grey.fB, strength).toColor()
        shader = skia.GradientShader.MakeLinear(
            [skia.Point(0, low), skia.Point(0, high)], [edge, full, edge], [0.0, 0.5, 1.0]
        )
        pen.canvas.drawRect(skia.Rect.MakeLTRB(0, 0, aspect, 1), skia.Paint(Shader=shader))


_WEATHER = {"clear": _clear, "rain": _rain, "snowfall": _snowfall, "fog": _fog}


def _paper_edge(pen: Pen, aspect: float, random: Random) -> None:
    """Watercolour leaves the paper's rim white and blotches a little."""
    for _ in range(9):
        x, y = random.uniform(0, aspect), random.uniform(0, 1)
        pen.glow(x, y, random.uniform(0.12, 0.3), (1.0, 0.99, 0.95), 0.16)
    paint = skia.Paint(Color4f=skia.Color4f(0.995, 0.985, 0.96, 1.0), AntiAlias=True)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(0.07)
    paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 0.022))
    pen.canvas.drawRect(skia.Rect.MakeLTRB(0, 0, aspect, 1), paint)
