"""Independent truths in NumPy loops and matrices, float64; imports nothing from zoo, whose code it checks."""

import itertools

import numpy as np


def scatter(images, kernel, scale, bias=None):
    """Transposed convolution, padding 'same': each LR pixel scatters its K×K patch, the overlaps are summed.

    images (N, H, W, I), kernel (K, K, O, I) → (N, scale·H, scale·W, O).
    """
    batch, height, width, _ = images.shape
    side, outputs = kernel.shape[0], kernel.shape[2]
    drop = max(side - scale, 0) // 2
    canvas = np.zeros((batch, scale * height + side + scale, scale * width + side + scale, outputs))
    for row in range(height):
        for column in range(width):
            patch = np.einsum("ni,yxoi->nyxo", images[:, row, column], kernel)
            top, left = scale * row, scale * column
            canvas[:, top : top + side, left : left + side] += patch
    result = canvas[:, drop : drop + scale * height, drop : drop + scale * width]
    return result if bias is None else result + bias


def scattered(images, kernel, strides, padding, dilation=(1, 1)):
    """A transposed convolution of any strides, tap by tap: (N, H, W, I), (Ky, Kx, O, I) → (N, H', W', O)."""
    batch, height, width, _ = images.shape
    reach = [rate * (side - 1) for rate, side in zip(dilation, kernel.shape)]
    full = [(n - 1) * stride + span + 1 for n, stride, span in zip((height, width), strides, reach)]
    canvas = np.zeros(
        (batch, *(max(n, stride * s) for n, stride, s in zip(full, strides, (height, width))), kernel.shape[2])
    )
    for row, column, y, x in itertools.product(range(height), range(width), *map(range, kernel.shape[:2])):
        place = row * strides[0] + y * dilation[0], column * strides[1] + x * dilation[1]
        canvas[:, place[0], place[1]] += images[:, row, column] @ kernel[y, x].T
    if padding == "valid":
        return canvas
    drop = [max(span + 1 - stride, 0) // 2 for span, stride in zip(reach, strides)]
    return canvas[:, drop[0] :, drop[1] :][:, : height * strides[0], : width * strides[1]]


def convolve(images, kernel, bias=None):
    """Convolution (correlation, as networks have it) with padding 'same': (N, H, W, I), (K, K, I, O) → (N, H, W, O)."""
    height, width = images.shape[1:3]
    rows, columns = kernel.shape[:2]
    top, left = (rows - 1) // 2, (columns - 1) // 2
    padded = np.pad(images, [(0, 0), (top, rows - 1 - top), (left, columns - 1 - left), (0, 0)])
    result = np.zeros((*images.shape[:3], kernel.shape[3]))
    for y in range(rows):
        for x in range(columns):
            result += padded[:, y : y + height, x : x + width] @ kernel[y, x]
    return result if bias is None else result + bias


def nearest(images, scale):
    """(N, H, W, C) → (N, scale·H, scale·W, C), each pixel repeated."""
    return images.repeat(scale, axis=1).repeat(scale, axis=2)


def interpolation_matrix(method, size, scale, border, a=-0.5, places=None):
    """(scale·size, size): one axis of a fixed enlargement, half-pixel centres; Keys' a, places of a table."""
    matrix = np.zeros((scale * size, size))
    for y in range(scale * size):
        u = (y + 0.5) / scale - 0.5
        u = round(u * places) / places if places and method == "bicubic" else u
        base = int(np.floor(u))
        for tap in range(base - 1, base + 3):
            t = abs(u - tap)
            if method == "bilinear":
                weight = max(0.0, 1 - t)
            elif t <= 1:
                weight = (a + 2) * t**3 - (a + 3) * t**2 + 1
            else:
                weight = a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0
            if border == "replicate":
                matrix[y, min(max(tap, 0), size - 1)] += weight
            elif border == "mirror":
                folded = tap % (2 * size)
                matrix[y, folded if folded < size else 2 * size - 1 - folded] += weight
            elif 0 <= tap < size:
                matrix[y, tap] += weight
    return matrix / matrix.sum(1, keepdims=True)


def interpolate(images, method, scale, border, *cubic):
    """A fixed enlargement as two matrices: (N, H, W, C) → (N, scale·H, scale·W, C)."""
    if method == "nearest":
        return nearest(images, scale)
    rows = interpolation_matrix(method, images.shape[1], scale, border, *cubic)
    columns = interpolation_matrix(method, images.shape[2], scale, border, *cubic)
    return np.einsum("yh,xw,nhwc->nyxc", rows, columns, images, optimize=True)


def shuffle(maps, scale, order="tensorflow"):
    """Periodic shuffling by loops: (N, H, W, scale²·O) → (N, scale·H, scale·W, O)."""
    batch, height, width, channels = maps.shape
    outputs = channels // scale**2
    result = np.zeros((batch, scale * height, scale * width, outputs))
    for a in range(scale):
        for b in range(scale):
            for o in range(outputs):
                index = (a * scale + b) * outputs + o if order == "tensorflow" else o * scale**2 + a * scale + b
                result[:, a::scale, b::scale, o] = maps[..., index]
    return result


def relative(received, expected):
    """Largest difference over the largest expected magnitude."""
    received, expected = np.asarray(received, np.float64), np.asarray(expected, np.float64)
    assert received.shape == expected.shape, (received.shape, expected.shape)
    return np.abs(received - expected).max() / np.abs(expected).max()
