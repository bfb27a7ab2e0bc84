package subpixelzoo

import android.content.Context
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import org.tensorflow.lite.InterpreterApi

/** What a preset's card says of its file: `zoo presets --json`, and "receptive field radius" in docs/presets.md. */
data class Card(val asset: String, val scale: Int, val radius: Int, val height: Int = 0, val width: Int = 0)

/** A static file through LiteRT's CompiledModel, on one accelerator and no other. */
class StaticNetwork(context: Context, private val card: Card, accelerator: Accelerator) : Network, AutoCloseable {
    // Of two accelerators LiteRT would take the other one for what the first refuses, and not say so.
    private val model = CompiledModel.create(context.assets, card.asset, CompiledModel.Options(accelerator))
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    override fun scale() = card.scale
    override fun radius() = card.radius
    override fun height() = card.height
    override fun width() = card.width

    override fun run(luma: FloatArray, height: Int, width: Int): FloatArray {
        inputs[0].writeFloat(luma)
        model.run(inputs, outputs)
        return outputs[0].readFloat()
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
    }
}

/** A file of free size on the CPU, by the interpreter, which can be told a size. */
class DynamicNetwork(context: Context, private val card: Card, threads: Int = 4) : Network, AutoCloseable {
    private val interpreter = InterpreterApi.create(
        context.assets.openFd(card.asset).use {
            it.createInputStream().channel.map(FileChannel.MapMode.READ_ONLY, it.startOffset, it.declaredLength)
        },
        InterpreterApi.Options().setNumThreads(threads))
    private var size = 0 to 0

    override fun scale() = card.scale
    override fun radius() = card.radius
    override fun height() = 0
    override fun width() = 0

    override fun run(luma: FloatArray, height: Int, width: Int): FloatArray {
        if (size != height to width) {
            interpreter.resizeInput(0, intArrayOf(1, height, width, 1))
            interpreter.allocateTensors()
            size = height to width
        }
        val enlarged = FloatArray(card.scale * card.scale * luma.size)
        val input = buffer(luma.size).apply { asFloatBuffer().put(luma) }
        val output = buffer(enlarged.size)
        interpreter.run(input, output)
        output.rewind()
        output.asFloatBuffer().get(enlarged)
        return enlarged
    }

    private fun buffer(count: Int) = ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder())

    override fun close() = interpreter.close()
}

/** Bitmap in, Bitmap out. Use it from one thread, not the one that draws. */
class SuperResolver(context: Context, card: Card) : AutoCloseable {
    /** Why the GPU is not used; null where it is. Show it, or log it: the CPU is many times slower. */
    var whyNotGpu: String? = null
        private set
    private val network: Network = if (card.height == 0) cpuAlone(context, card) else fastest(context, card)

    private fun cpuAlone(context: Context, card: Card): Network {
        whyNotGpu = "${card.asset} has a free size, which the GPU does not take"
        return DynamicNetwork(context, card)
    }

    private fun fastest(context: Context, card: Card): Network {
        val cpu = StaticNetwork(context, card, Accelerator.CPU)
        var gpu: StaticNetwork? = null
        try {
            gpu = StaticNetwork(context, card, Accelerator.GPU)
            val difference = Agreement.largest(cpu, gpu, card.height, card.width)
            if (difference <= Agreement.TOLERANCE) {
                cpu.close()
                return gpu
            }
            whyNotGpu = "the GPU computes something else: off by $difference of the range"
        } catch (error: Exception) {
            whyNotGpu = "the GPU does not take the file: ${error.message}"
        }
        gpu?.close()
        return cpu
    }

    fun enlarge(bitmap: Bitmap): Bitmap {
        val plain = if (bitmap.config == Bitmap.Config.ARGB_8888) bitmap else bitmap.copy(Bitmap.Config.ARGB_8888, false)
        val pixels = IntArray(plain.width * plain.height)
        plain.getPixels(pixels, 0, plain.width, 0, 0, plain.width, plain.height)
        val enlarged = Enlarger.enlarge(pixels, plain.height, plain.width, network)
        val scale = network.scale()
        return Bitmap.createBitmap(enlarged, scale * plain.width, scale * plain.height, Bitmap.Config.ARGB_8888)
    }

    override fun close() = (network as AutoCloseable).close()
}
