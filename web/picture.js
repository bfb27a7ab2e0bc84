// From files to pixels and back, by what the browser can decode and encode.

// Chromium's largest canvas side, and 8192 × 8192 pixels: 256 MB as RGBA.
const MAX_SIDE = 16384;
const MAX_PIXELS = 2 ** 26;

/** Decodes a file's header. Returns an image element; its pixels are not decoded before `pixelsOf`. */
export async function openPicture(file) {
  const image = new Image();
  const address = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = reject;
      image.src = address;
    });
    // A scalable drawing may have no size of its own.
    if (!image.naturalWidth || !image.naturalHeight) throw new Error("no size");
    return image;
  } catch {
    throw new Error(
      `Expected a picture that this browser can open (PNG, JPEG, WebP, …) or a .tflite file. Received: ${file.name}.`,
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Says so if a picture of this size, enlarged, is more than a browser's canvas holds. */
export function checkSize({ width, height }, scale) {
  const [outWidth, outHeight] = [width * scale, height * scale];
  if (Math.max(outWidth, outHeight) > MAX_SIDE || outWidth * outHeight > MAX_PIXELS) {
    throw new Error(
      `Expected a result of at most ${MAX_PIXELS / 2 ** 20} megapixels (of 1024 × 1024) and ${MAX_SIDE} pixels a ` +
        `side, the most that a browser shows. Received: ${width}×${height}, which becomes ${outWidth}×${outHeight}.`,
    );
  }
}

/** { width, height, data }: RGBA bytes in sRGB, the camera's rotation applied. */
export function pixelsOf(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { width, height, data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return { width, height, data };
}

/** Puts a picture on a canvas of its size; some browsers leave a canvas that is too large for them empty. */
export function paint(canvas, { width, height, data }) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.putImageData(new ImageData(data, width, height), 0, 0);
  const opaque = data.findIndex((value, i) => i % 4 === 3 && value === 255);
  if (opaque < 0) return;
  const pixel = (opaque - 3) / 4;
  if (context.getImageData(pixel % width, Math.floor(pixel / width), 1, 1).data[3] !== 255) {
    throw new Error(`Expected a picture that this browser can show. Received: ${width}×${height}.`);
  }
}

/** Offers a canvas as a PNG file. */
export async function save(canvas, name) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const { width, height } = canvas;
  if (!blob) throw new Error(`Expected a picture that this browser can encode. Received: ${width}×${height}.`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
