package subpixelzoo;

/** Keys' cubic, a = -0.5, half-pixel centres: how chroma and alpha are enlarged. */
final class Bicubic {
    /** A pixel's result depends on two pixels to each side. */
    static final int NEIGHBOURS = 2;

    private Bicubic() {}

    /** Enlarges a plane that has two px of border on each side: ((height + 4) · (width + 4)) → scale² · height · width. */
    static float[] enlarge(float[] plane, int height, int width, int scale) {
        float[][] weights = weights(scale);
        int wide = scale * width;
        float[] rows = new float[(height + 2 * NEIGHBOURS) * wide];
        for (int y = 0; y < height + 2 * NEIGHBOURS; y++) {
            for (int x = 0; x < wide; x++) {
                rows[y * wide + x] = weighted(plane, y * (width + 2 * NEIGHBOURS) + x / scale, 1, weights[x % scale]);
            }
        }
        float[] enlarged = new float[scale * height * wide];
        for (int y = 0; y < scale * height; y++) {
            for (int x = 0; x < wide; x++) {
                enlarged[y * wide + x] = weighted(rows, y / scale * wide + x, wide, weights[y % scale]);
            }
        }
        return enlarged;
    }

    private static float weighted(float[] values, int first, int step, float[] weights) {
        float total = 0;
        for (int tap = 0; tap < weights.length; tap++) {
            total += weights[tap] * values[first + tap * step];
        }
        return total;
    }

    private static float[][] weights(int scale) {
        float[][] weights = new float[scale][2 * NEIGHBOURS + 1];
        for (int phase = 0; phase < scale; phase++) {
            for (int tap = 0; tap <= 2 * NEIGHBOURS; tap++) {
                weights[phase][tap] = (float) cubic((phase + 0.5) / scale - 0.5 - (tap - NEIGHBOURS));
            }
        }
        return weights;
    }

    private static double cubic(double place) {
        double t = Math.abs(place);
        if (t <= 1) {
            return (1.5 * t - 2.5) * t * t + 1;
        }
        return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
    }
}
