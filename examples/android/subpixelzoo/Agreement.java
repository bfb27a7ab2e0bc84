package subpixelzoo;

import java.util.Random;

/** Whether a GPU computes what the CPU does: some compute another function and do not say so. */
public final class Agreement {
    /** Largest difference that is taken for rounding, as a part of the values' range; half precision stays below it. */
    public static final float TOLERANCE = 0.02f;

    private Agreement() {}

    /** What to try: noise, of which a shift by a pixel changes all; another seed, another picture. */
    public static float[] noise(int count, int seed) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextFloat();
        }
        return values;
    }

    /** The largest difference, as a part of the expected values' range; infinite where a value is not finite. */
    public static float difference(float[] expected, float[] received) {
        if (expected.length != received.length) {
            return Float.POSITIVE_INFINITY;
        }
        float low = Float.POSITIVE_INFINITY, high = Float.NEGATIVE_INFINITY, largest = 0;
        for (int i = 0; i < expected.length; i++) {
            float difference = Math.abs(expected[i] - received[i]);
            if (!(difference <= Float.MAX_VALUE)) {
                return Float.POSITIVE_INFINITY;
            }
            low = Math.min(low, expected[i]);
            high = Math.max(high, expected[i]);
            largest = Math.max(largest, difference);
        }
        return largest / Math.max(high - low, 1e-6f);
    }

    /** Compares two networks on three pictures: on some phones only the first run of a file is right. */
    public static float largest(Network cpu, Network gpu, int height, int width) {
        float largest = 0;
        for (int run = 0; run < 3; run++) {
            float[] luma = noise(height * width, run);
            largest = Math.max(largest, difference(cpu.run(luma, height, width), gpu.run(luma, height, width)));
        }
        return largest;
    }
}
