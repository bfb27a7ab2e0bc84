package subpixelzoo;

/** A luma network: what runs a TFLite file. Everything else of this package needs no Android and no LiteRT. */
public interface Network {
    /** The enlargement. */
    int scale();

    /** How far an output pixel looks, LR px: "receptive field radius" of the preset's card. */
    int radius();

    /** Height of the pictures that it takes, LR px; 0: any. */
    int height();

    /** Width of the pictures that it takes, LR px; 0: any. */
    int width();

    /**
     * Enlarges one window.
     *
     * @param luma height · width values of Y, row by row, as {@link Luma} gives them
     * @return scale · height · scale · width values, not clipped
     */
    float[] run(float[] luma, int height, int width);
}
