"""Draws shapes on a skia canvas in the way of a style. x points right, y up, in units of the frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import skia

from demo.scenes.palette import CREAM, NIGHT, Colour, dark, light, mix, vivid
from demo.scenes.styles import Fill, Style

Points = Sequence[tuple[float, float]]


class Pen:
    """`short` is the picture's shorter side in pixels; widths in a style are shares of it."""

    def __init__(self, canvas: skia.Canvas, style: Style, short: float) -> None:
        self.canvas = canvas
        self.style = style
        self.short = short
        self.unit = 1.0

    @contextmanager
    def frame(self, x: float, y: float, unit: float, turn: float = 0.0, flip: bool = False) -> Iterator[Pen]:
        """A frame of its own: origin at (x, y) of the current one, `unit` of its units long, y up."""
        self.canvas.save()
        self.canvas.translate(x, y)
        self.canvas.rotate(turn)
        self.canvas.scale(-unit if flip else unit, unit)
        outer, self.unit = self.unit, self.unit * unit
        try:
            yield self
        finally:
            self.unit = outer
            self.canvas.restore()

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        self.path(skia.Path.Oval(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry)), colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, r: float = 0.0) -> None:
        self.path(skia.Path.RRect(skia.RRect.MakeRectXY(skia.Rect.MakeLTRB(x0, y0, x1, y1), r, r)), colour)

    def poly(self, points: Points, colour: Colour) -> None:
        self.path(skia.Path.Polygon([skia.Point(*point) for point in points], True), colour)

    def blob(self, points: Points, colour: Colour) -> None:
        """A closed smooth curve through the middles of the given corners."""
        self.path(smooth(points), colour)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """An open stroke with round ends, for limbs, stems and poles."""
        path = skia.Path.Polygon([skia.Point(*point) for point in points], False)
        paint = skia.Paint(AntiAlias=True, Style=skia.Paint.kStroke_Style, StrokeWidth=width)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
        outline = skia.Path()
        paint.getFillPath(path, outline)
        simple = skia.Simplify(outline)
        self.path(outline if simple is None else simple, colour)

    def dot(self, x: float, y: float, r: float, colour: Colour) -> None:
        """A small detail (an eye, a button) that keeps its colour in every style and has no outline."""
        neon = self.style.fill is Fill.TUBE
        self.canvas.drawCircle(x, y, r, _paint(vivid(colour) if neon else colour))

    def stroke(self, points: Points, colour: Colour, width: float) -> None:
        """A thin detail line (a mouth, a seam), the same in every style."""
        neon = self.style.fill is Fill.TUBE
        paint = _paint(vivid(colour) if neon else colour)
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(width)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        path = skia.Path()
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        self.canvas.drawPath(path, paint)

    def path(self, path: skia.Path, colour: Colour) -> None:
        _FILLS[self.style.fill](self, path, colour)

    def glow(self, x: float, y: float, r: float, colour: Colour, strength: float = 0.6) -> None:
        """A soft round light, added to what is there."""
        centre = skia.Color4f(*colour, strength)
        shader = skia.GradientShader.MakeRadial(
            skia.Point(x, y), r, [centre.toColor(), skia.Color4f(*colour, 0.0).toColor()]
        )
        self.canvas.drawCircle(x, y, r, skia.Paint(Shader=shader, BlendMode=skia.BlendMode.kScreen))

    def haze(self, box: tuple[float, float, float, float], colour: Colour, strength: float) -> None:
        """A band of mist, thickest at a third of its height."""
        clear, thick = skia.Color4f(*colour, 0.0).toColor(), skia.Color4f(*colour, strength).toColor()
        shader = skia.GradientShader.MakeLinear(
            [skia.Point(0, box[1]), skia.Point(0, box[3])], [clear, thick, clear], [0.0, 0.33, 1.0]
        )
        self.canvas.drawRect(skia.Rect.MakeLTRB(*box), skia.Paint(Shader=shader))

    def shadow(self, x: float, y: float, rx: float, ry: float, strength: float = 0.3) -> None:
        """A soft contact shadow on the ground; line drawings and neon have none."""
        if self.style.fill in (Fill.TUBE, Fill.TINT):
            return
        paint = _paint((0.08, 0.05, 0.2), strength)
        if not self.style.pixel:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, ry * 0.6))
        self.canvas.drawOval(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry), paint)

    def width(self, share: float) -> float:
        """A share of the picture's shorter side, in units of the current frame."""
        return share * self.short / self.unit


def smooth(points: Points) -> skia.Path:
    path = skia.Path()
    middles = [
        ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in zip(points, [*points[1:], points[0]], strict=True)
    ]
    path.moveTo(*middles[-1])
    for corner, middle in zip(points, middles, strict=True):
        path.quadTo(*corner, *middle)
    path.close()
    return path


def _paint(colour: Colour, alpha: float = 1.0) -> skia.Paint:
    return skia.Paint(
        Color4f=skia.Color4f(*(min(max(part, 0.0), 1.0) for part in colour), alpha), AntiAlias=True
    )


def _outline(pen: Pen, path: skia.Path, colour: Colour, share: float, alpha: float = 1.0) -> skia.Paint:
    paint = _paint(colour, alpha)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(pen.width(share))
    paint.setStrokeJoin(skia.Paint.kRound_Join)
    pen.canvas.drawPath(path, paint)
    return paint


def _solid(pen: Pen, path: skia.Path, colour: Colour) -> None:
    pen.canvas.drawPath(path, _paint(colour))


def _shaded(pen: Pen, path: skia.Path, colour: Colour) -> None:
    """From light to dark; what is pale is shaded less, or it would look dirty."""
    box, shade = path.getBounds(), 0.22 - 0.14 * min(colour)
    shader = skia.GradientShader.MakeLinear(
        [skia.Point(box.left(), box.bottom()), skia.Point(box.right() * 0.3 + box.left() * 0.7, box.top())],
        [skia.Color4f(*light(colour, 0.22)).toColor(), skia.Color4f(*dark(colour, shade)).toColor()],
    )
    pen.canvas.drawPath(path, skia.Paint(Shader=shader, AntiAlias=True))


def _tint(pen: Pen, path: skia.Path, colour: Colour) -> None:
    pen.canvas.drawPath(path, _paint(mix(CREAM, colour, 0.45)))
    _outline(pen, path, pen.style.ink, pen.style.outline)


def _tube(pen: Pen, path: skia.Path, colour: Colour) -> None:
    bright = vivid(colour)
    pen.canvas.drawPath(path, _paint(mix(NIGHT, bright, 0.16)))
    paint = _paint(bright, 0.55)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(pen.width(pen.style.outline * 2.2))
    paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, pen.width(pen.style.outline)))
    pen.canvas.drawPath(path, paint)
    _outline(pen, path, light(bright, 0.35), pen.style.outline * 0.75)


def _wash(pen: Pen, path: skia.Path, colour: Colour) -> None:
    """A translucent body over white, with the darker rim that pigment leaves where it dries."""
    pen.canvas.drawPath(path, _paint(CREAM, 0.55))
    box = path.getBounds()
    pale, full = skia.Color4f(*light(colour, 0.35), 0.85), skia.Color4f(*colour, 0.85)
    shader = skia.GradientShader.MakeLinear(
        [skia.Point(box.left(), box.bottom()), skia.Point(box.right(), box.top())],
        [pale.toColor(), full.toColor()],
    )
    pen.canvas.drawPath(path, skia.Paint(Shader=shader, AntiAlias=True))
    _outline(pen, path, dark(colour, 0.15), 0.006, 0.45)


def _paper(pen: Pen, path: skia.Path, colour: Colour) -> None:
    shadow = _paint((0.08, 0.04, 0.16), 0.38)
    shadow.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, pen.width(0.006)))
    pen.canvas.save()
    pen.canvas.translate(pen.width(0.005), -pen.width(0.010))
    pen.canvas.drawPath(path, shadow)
    pen.canvas.restore()
    pen.canvas.drawPath(path, _paint(colour))
    _outline(pen, path, light(colour, 0.35), 0.003, 0.8)


_FILLS = {
    Fill.SOLID: _solid,
    Fill.SHADED: _shaded,
    Fill.TINT: _tint,
    Fill.TUBE: _tube,
    Fill.WASH: _wash,
    Fill.PAPER: _paper,
}
