package subpixelzoo;

/** Y of BT.601 in studio range, and the colours beside it: what a luma network takes, and how its result gets them back. */
final class Luma {
    /** Y of red, green and blue alone, of black, and what Y is worth in R, G and B; R, G, B and Y in [0, 1]. */
    static final float RED = 65.481f / 255, GREEN = 128.553f / 255, BLUE = 24.966f / 255, BLACK = 16f / 255;
    static final float GAIN = 255f / 219;

    private Luma() {}

    /** Y of a pixel as Bitmap.getPixels gives it, without the offset of black. */
    static float of(int argb) {
        return (RED * (argb >> 16 & 255) + GREEN * (argb >> 8 & 255) + BLUE * (argb & 255)) / 255;
    }

    /** What is left of a channel beside Y, in levels: it is enlarged by bicubic interpolation. */
    static float rest(int argb, int shift) {
        return (argb >> shift & 255) - GAIN * 255 * of(argb);
    }

    /** A pixel out of the network's Y, the enlarged rests and the enlarged alpha, levels. */
    static int pixel(float luma, float red, float green, float blue, float alpha) {
        float bright = GAIN * 255 * (luma - BLACK);
        return level(alpha) << 24 | level(bright + red) << 16 | level(bright + green) << 8 | level(bright + blue);
    }

    private static int level(float value) {
        return (int) Math.max(0, Math.min(255, Math.floor(value + 0.5f)));
    }
}
