package subpixelzoo;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/** Enlarges a picture from standard input; whoever started it is the network: asked through one pipe, answering through the other. */
public final class Piped implements Network {
    private final DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
    private final DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));
    private int scale, radius, height, width;

    public static void main(String[] arguments) throws IOException {
        Piped piped = new Piped();
        if (arguments.length > 0) {
            piped.compare();
        } else {
            piped.enlarge();
        }
        piped.out.flush();
    }

    private void enlarge() throws IOException {
        int high = in.readInt(), wide = in.readInt();
        scale = in.readInt();
        radius = in.readInt();
        height = in.readInt();
        width = in.readInt();
        int[] pixels = new int[high * wide];
        for (int i = 0; i < pixels.length; i++) {
            pixels[i] = in.readInt();
        }
        int[] enlarged = Enlarger.enlarge(pixels, high, wide, this);
        out.writeInt(0);
        for (int pixel : enlarged) {
            out.writeInt(pixel);
        }
    }

    /** Two rows of numbers in, how far they lie apart out. */
    private void compare() throws IOException {
        int count = in.readInt();
        out.writeFloat(Agreement.difference(floats(count), floats(count)));
    }

    private float[] floats(int count) throws IOException {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = in.readFloat();
        }
        return values;
    }

    @Override
    public int scale() {
        return scale;
    }

    @Override
    public int radius() {
        return radius;
    }

    @Override
    public int height() {
        return height;
    }

    @Override
    public int width() {
        return width;
    }

    @Override
    public float[] run(float[] luma, int high, int wide) {
        try {
            out.writeInt(high);
            out.writeInt(wide);
            for (float value : luma) {
                out.writeFloat(value);
            }
            out.flush();
            return floats(scale * scale * high * wide);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
