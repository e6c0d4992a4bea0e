"""How well the invisible mark lasts, beside what can be installed: python -m perf.watermark"""
