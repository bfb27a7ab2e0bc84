package subpixelzoo;

/** A picture through a luma network, window by window: pixels in, pixels out, as Bitmap.getPixels and setPixels have them. */
public final class Enlarger {
    private Enlarger() {}

    /**
     * Enlarges a picture.
     *
     * <p>Y goes through the network, colours and alpha through bicubic interpolation. Hidden colours are taken as they are.
     *
     * @param pixels height · width pixels, ARGB of 8 bits, not premultiplied, row by row
     * @return scale · height · scale · width pixels
     * @throws IllegalArgumentException another number of pixels, or a file whose size leaves nothing between two overlaps
     */
    public static int[] enlarge(int[] pixels, int height, int width, Network network) {
        if (height < 1 || width < 1 || pixels.length != height * width) {
            throw new IllegalArgumentException(
                    "Expected " + height + "*" + width + " pixels, at least one. Received: " + pixels.length);
        }
        Picture picture = new Picture(pixels, height, width);
        int scale = network.scale();
        int[] enlarged = new int[Math.multiplyExact(scale * height, scale * width)];
        for (Tiles.Part rows : Tiles.along(height, network.radius(), network.height())) {
            for (Tiles.Part columns : Tiles.along(width, network.radius(), network.width())) {
                float[] luma = network.run(picture.luma(rows, columns), rows.length(), columns.length());
                picture.finish(luma, rows, columns, scale, enlarged);
            }
        }
        return enlarged;
    }

    private record Picture(int[] pixels, int height, int width) {
        int at(int y, int x) {
            return pixels[Tiles.mirrored(y, height) * width + Tiles.mirrored(x, width)];
        }

        float[] luma(Tiles.Part rows, Tiles.Part columns) {
            float[] luma = new float[rows.length() * columns.length()];
            for (int y = 0; y < rows.length(); y++) {
                for (int x = 0; x < columns.length(); x++) {
                    luma[y * columns.length() + x] = Luma.of(at(rows.start() + y, columns.start() + x)) + Luma.BLACK;
                }
            }
            return luma;
        }

        /** Puts what is kept of a window, with its colours, where it belongs. */
        void finish(float[] luma, Tiles.Part rows, Tiles.Part columns, int scale, int[] enlarged) {
            int high = rows.keepStop() - rows.keepStart(), wide = columns.keepStop() - columns.keepStart();
            float[][] rest = new float[4][];
            for (int channel = 0; channel < 4; channel++) {
                rest[channel] = Bicubic.enlarge(around(rows, columns, 8 * channel), high, wide, scale);
            }
            for (int y = 0; y < scale * high; y++) {
                int from = (scale * (rows.keepStart() - rows.start()) + y) * scale * columns.length();
                int to = (scale * rows.keepStart() + y) * scale * width + scale * columns.keepStart();
                for (int x = 0; x < scale * wide; x++) {
                    int i = y * scale * wide + x;
                    float bright = luma[from + scale * (columns.keepStart() - columns.start()) + x];
                    enlarged[to + x] = Luma.pixel(bright, rest[2][i], rest[1][i], rest[0][i], rest[3][i]);
                }
            }
        }

        /** A channel's rest, or alpha, of what is kept and two px around it. */
        private float[] around(Tiles.Part rows, Tiles.Part columns, int shift) {
            int border = Bicubic.NEIGHBOURS, wide = columns.keepStop() - columns.keepStart() + 2 * border;
            int high = rows.keepStop() - rows.keepStart() + 2 * border;
            float[] plane = new float[high * wide];
            for (int y = 0; y < high; y++) {
                for (int x = 0; x < wide; x++) {
                    int argb = at(rows.keepStart() + y - border, columns.keepStart() + x - border);
                    plane[y * wide + x] = shift == 24 ? argb >>> 24 : Luma.rest(argb, shift);
                }
            }
            return plane;
        }
    }
}
