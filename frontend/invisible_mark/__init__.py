"""The invisible watermark: 64 bits in a picture's brightness, found again after crops, scaling, turns.

A keyed spread-spectrum mark after I. J. Cox, J. Kilian, F. T. Leighton and T. Shamoon, "Secure spread
spectrum watermarking for multimedia" (1997), laid as a periodic tile whose autocorrelation gives the geometry
away, after M. Kutter, "Watermarking resisting to translation, rotation and scaling" (1998). What is ours: the
tile's sign alternates like a chessboard, so that tiles cancel when they are averaged, and each picture uses
one of 64 tiles.
"""
