package subpixelzoo;

import java.util.ArrayList;
import java.util.List;

/** Windows along one axis that overlap by twice the radius, so that no seam is left. */
final class Tiles {
    /** What a window shows, from {@code start} on, and which px of the picture are kept of it. */
    record Part(int start, int length, int keepStart, int keepStop) {}

    /** LR px along an axis that are computed at once where the file takes any size. */
    static final int SIDE = 256;

    private Tiles() {}

    /**
     * @param length of the picture, LR px
     * @param radius of the network
     * @param window the length that the file takes; 0: any
     * @throws IllegalArgumentException the file's size leaves nothing between two overlaps
     */
    static List<Part> along(int length, int radius, int window) {
        int side = window == 0 ? Math.min(length, SIDE) : window - 2 * radius;
        if (side < 1) {
            throw new IllegalArgumentException(
                    "Expected a file of more than " + 2 * radius + " px, twice the radius. Received: " + window);
        }
        List<Part> parts = new ArrayList<>();
        for (int keep = 0; keep < length; keep += side) {
            int shown = window == 0 ? Math.min(side, length - keep) + 2 * radius : window;
            parts.add(new Part(keep - radius, shown, keep, Math.min(keep + side, length)));
        }
        return parts;
    }

    /** Beyond its border a picture goes on mirrored, the edge pixel first: … 1 0 | 0 1 …; with zeros it would get a frame. */
    static int mirrored(int index, int length) {
        int turned = Math.floorMod(index, 2 * length);
        return Math.min(turned, 2 * length - 1 - turned);
    }
}
