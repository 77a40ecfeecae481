// CLIP image preprocessing, written from the text of spec/CLIP-PREPROCESSING.md alone.
// Ids such as RSZ-7 are clauses of that text. Compile with -ffp-contract=off and without -ffast-math (section 1).
#pragma once

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace canon {

static_assert(FLT_EVAL_METHOD == 0, "section 1: no wider intermediate results (x86 of 32 bits: -msse2 -mfpmath=sse)");
static_assert(std::numeric_limits<double>::is_iec559 && sizeof(float) == 4, "section 1: IEEE 754");

using Index = std::int64_t;
using Byte = std::uint8_t;

// The image is one that the standard refuses. The text begins with the clause.
struct Rejected : std::runtime_error {
    using std::runtime_error::runtime_error;
};

template <class Sample>
struct Array {
    Index width, height, bands;
    std::vector<Sample> samples;  // row by row, the bands of a pixel together

    Array(Index w, Index h, Index b) : width(w), height(h), bands(b), samples(static_cast<std::size_t>(w * h * b)) {}
    Index line() const { return width * bands; }
    Sample* row(Index y) { return samples.data() + y * line(); }
    const Sample* row(Index y) const { return samples.data() + y * line(); }
};

using AnyArray = std::variant<Array<Byte>, Array<std::uint16_t>, Array<std::int32_t>, Array<float>>;
struct Size { Index width, height; };
struct Box { Index left, top, width, height; };

// ------------------------------------------------------------------------------------------------- colour of a pixel

using Rgb = std::array<Byte, 3>;

inline Byte clip8(int v) { return static_cast<Byte>(v < 0 ? 0 : v > 255 ? 255 : v); }

inline Byte muldiv255(int c, int a) {  // ALP-1
    const int t = c * a + 128;
    return static_cast<Byte>((t + (t >> 8)) >> 8);
}

inline Byte undo_alpha(int c, int a) {  // ALP-2
    return static_cast<Byte>(a == 0 || a == 255 ? c : std::min(255, 255 * c / a));
}

inline Rgb rgb_of_bilevel(const Byte* p) { return p[0] != 0 ? Rgb{255, 255, 255} : Rgb{0, 0, 0}; }  // RGB-2
inline Rgb rgb_of_grey(const Byte* p) { return {p[0], p[0], p[0]}; }                                // RGB-2, RGB-3
inline Rgb rgb_of_rgb(const Byte* p) { return {p[0], p[1], p[2]}; }                                 // RGB-1, RGB-3

inline Rgb rgb_of_premultiplied(const Byte* p) {  // RGB-5
    return {undo_alpha(p[0], p[3]), undo_alpha(p[1], p[3]), undo_alpha(p[2], p[3])};
}

inline Rgb rgb_of_cmyk(const Byte* p) {  // RGB-6
    const int nk = 255 - p[3];
    return {clip8(nk - muldiv255(p[0], nk)), clip8(nk - muldiv255(p[1], nk)), clip8(nk - muldiv255(p[2], nk))};
}

inline Rgb rgb_of_ycbcr(const Byte* p) {  // RGB-7; / of C++ truncates toward zero, >> of a negative int is arithmetic
    const int cb = p[1] - 128, cr = p[2] - 128;
    const auto table = [](int factor, int i) { return (factor * 64 * i + 50000) / 100000; };
    return {clip8(p[0] + (table(140200, cr) >> 6)),
            clip8(p[0] + ((table(-34414, cb) + table(-71414, cr)) >> 6)),
            clip8(p[0] + (table(177200, cb) >> 6))};
}

inline Rgb rgb_of_hsv(const Byte* pixel) {  // RGB-8
    const int h = pixel[0], s = pixel[1], v = pixel[2];
    const int i = 6 * h / 255, g = 6 * h - 255 * i;
    const auto rdiv = [](int a, int b) { return static_cast<Byte>((2 * a + b) / (2 * b)); };
    const Byte top = pixel[2], p = rdiv(v * (255 - s), 255);
    const Byte q = rdiv(v * (65025 - s * g), 65025), t = rdiv(v * (65025 - s * (255 - g)), 65025);
    const Rgb sixths[] = {{top, t, p}, {q, top, p}, {p, top, t}, {p, q, top}, {t, p, top}, {top, p, q}};
    return sixths[i % 6];
}

// ------------------------------------------------------------------------------------------------------------- modes

enum class Method { nearest, bands, alpha, deep, swapped };  // RSZ-2, DEP-4

struct Mode {
    std::string_view name, dtype;
    Index bands;
    Method method;
    Rgb (*rgb)(const Byte*);  // of one pixel; null for palettes and for samples of more than 8 bits
};

inline const Mode& mode_named(std::string_view name) {  // INP-3
    static constexpr Mode modes[] = {
        {"1", "uint8", 1, Method::nearest, rgb_of_bilevel},
        {"L", "uint8", 1, Method::bands, rgb_of_grey},
        {"LA", "uint8", 2, Method::alpha, rgb_of_grey},
        {"P", "uint8", 1, Method::nearest, nullptr},
        {"RGB", "uint8", 3, Method::bands, rgb_of_rgb},
        {"RGBA", "uint8", 4, Method::alpha, rgb_of_rgb},
        {"RGBX", "uint8", 4, Method::bands, rgb_of_rgb},
        {"RGBa", "uint8", 4, Method::bands, rgb_of_premultiplied},
        {"CMYK", "uint8", 4, Method::bands, rgb_of_cmyk},
        {"YCbCr", "uint8", 3, Method::bands, rgb_of_ycbcr},
        {"HSV", "uint8", 3, Method::bands, rgb_of_hsv},
        {"I", "int32", 1, Method::deep, nullptr},
        {"F", "float32", 1, Method::deep, nullptr},
        {"I;16", "uint16", 1, Method::deep, nullptr},
        {"I;16L", "uint16", 1, Method::deep, nullptr},
        {"I;16B", "uint16", 1, Method::swapped, nullptr},
        {"I;16N", "uint16", 1, Method::swapped, nullptr},
    };
    for (const Mode& mode : modes)
        if (mode.name == name) return mode;
    throw Rejected(name == "LAB" ? "INP-4: mode LAB" : "INP-3: this mode is not supported");
}

struct Image {
    const Mode* mode;
    AnyArray array;
    std::vector<Byte> palette;  // r, g, b, r, g, b, ...
};

constexpr Index max_pixels = 178956970;

inline void check_size(Size size, Index most) {
    if (size.width == 0 || size.height == 0) throw Rejected("INP-2: an image without pixels");
    if (size.height > most / size.width) throw Rejected("INP-6: too many pixels");
}

// -------------------------------------------------------------------------------------------------------------- size

inline Size resized_size(Size in, Index n) {  // SIZ-1, SIZ-2
    if (in.width <= in.height) return {n, n * in.height / in.width};
    return {n * in.width / in.height, n};
}

inline Index crop_offset(Index d) { return d / 2 + ((d / 2 & 1) * (d & 1)); }  // CRP-1

inline Box crop_box(Size resized, Index n) {
    if (resized.width < n || resized.height < n) throw std::runtime_error("CRP-3: smaller than the crop");
    return {crop_offset(resized.width - n), crop_offset(resized.height - n), n, n};
}

// ------------------------------------------------------------------------------------------------------------ resize

inline double kernel(double t) {  // RSZ-3
    const double a = -0.5;
    if (t < 0.0) t = -t;
    if (t < 1.0) return ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
    if (t < 2.0) return (((t - 5.0) * t + 8.0) * t - 4.0) * a;
    return 0.0;
}

struct Window {
    Index first;  // the first sample that is read, counted from Axis::begin
    std::vector<double> weights;
};

// One axis of a resize: how the output samples begin, begin + 1, ... (count of them) are made of the input samples.
// Coordinates and scale are those of the whole axis, although only a part of it is computed (RSZ-11).
struct Axis {
    bool skipped;      // RSZ-10
    Index begin, end;  // the input samples that are read
    Index count;
    std::vector<Window> windows;

    Axis(Index in, Index out, Index output_begin, Index output_count)
        : skipped(in == out), begin(output_begin), end(output_begin + output_count), count(output_count) {
        if (skipped) return;
        const double scale = static_cast<double>(static_cast<float>(in)) / static_cast<double>(out);  // RSZ-4
        const double filterscale = scale < 1.0 ? 1.0 : scale;
        const double support = 2.0 * filterscale;
        const double inv = 1.0 / filterscale;
        for (Index x = output_begin; x < output_begin + output_count; ++x) {
            const double center = (static_cast<double>(x) + 0.5) * scale;  // RSZ-5
            const Index xmin = std::max<Index>(0, static_cast<Index>(center - support + 0.5));
            const Index xmax = std::min(in, static_cast<Index>(center + support + 0.5));
            Window window{xmin, {}};
            double sum = 0.0;
            for (Index i = xmin; i < xmax; ++i) {  // RSZ-6
                window.weights.push_back(kernel(((static_cast<double>(i) - center) + 0.5) * inv));
                sum += window.weights.back();
            }
            if (sum != 0.0)
                for (double& weight : window.weights) weight /= sum;
            windows.push_back(std::move(window));
        }
        begin = windows.front().first;  // xmin and xmax grow with x
        end = begin;
        for (Window& window : windows) {
            end = std::max(end, window.first + static_cast<Index>(window.weights.size()));
            window.first -= begin;
        }
    }
};

// How weights become factors and sums become samples: in double for the deep modes ...
template <class Sample>
struct Arithmetic {
    using Factor = double;
    using Sum = double;
    static constexpr Sum start = 0.0;
    static Factor factor(double weight) { return weight; }
    static Sample sample(double s) {
        if constexpr (std::is_same_v<Sample, float>) return static_cast<float>(s);  // DEP-2
        const double r = s >= 0.0 ? s + 0.5 : s - 0.5;
        if constexpr (std::is_same_v<Sample, std::int32_t>)  // DEP-1
            return r > -2147483649.0 && r < 2147483648.0 ? static_cast<Sample>(r) : std::numeric_limits<Sample>::min();
        return static_cast<Sample>(r < 0.0 ? 0.0 : r > 65535.0 ? 65535.0 : r);  // DEP-3
    }
};

// ... and in integers for samples of 8 bits.
template <>
struct Arithmetic<Byte> {
    using Factor = std::int32_t;
    using Sum = std::int32_t;
    static constexpr Sum start = 1 << 21;
    static Factor factor(double k) { return static_cast<Factor>(k * 4194304.0 + (k < 0.0 ? -0.5 : 0.5)); }  // RSZ-7
    static Byte sample(Sum s) { return clip8(s >> 22); }                                                    // RSZ-8
};

// One pass. `in` is `lines` lines, `stride` samples apart, of pixels of `depth` samples; it begins at axis.begin.
template <class Sample>
std::vector<Sample> pass(const Sample* in, Index lines, Index stride, Index depth, const Axis& axis) {
    using Rule = Arithmetic<Sample>;
    std::vector<Sample> result(static_cast<std::size_t>(lines * axis.count * depth));
    Sample* out = result.data();
    if (axis.skipped) {
        for (Index y = 0; y < lines; ++y) out = std::copy_n(in + y * stride, axis.count * depth, out);
        return result;
    }
    std::vector<typename Rule::Sum> sums(static_cast<std::size_t>(depth));
    std::vector<typename Rule::Factor> factors;
    for (Index x = 0; x < axis.count; ++x) {
        const Window& window = axis.windows[static_cast<std::size_t>(x)];
        factors.clear();
        for (const double weight : window.weights) factors.push_back(Rule::factor(weight));
        for (Index y = 0; y < lines; ++y) {
            const Sample* pixel = in + y * stride + window.first * depth;
            std::fill(sums.begin(), sums.end(), Rule::start);
            for (const auto factor : factors)
                for (auto& sum : sums) sum += *pixel++ * factor;
            std::transform(sums.begin(), sums.end(), out + (y * axis.count + x) * depth, Rule::sample);
        }
    }
    return result;
}

// The part `box` of the image resized to `size`.
template <class Sample>
Array<Sample> resample(const Array<Sample>& image, Size size, Box box) {
    const Axis x(image.width, size.width, box.left, box.width);
    const Axis y(image.height, size.height, box.top, box.height);
    const Sample* corner = image.row(y.begin) + x.begin * image.bands;
    const auto across = pass(corner, y.end - y.begin, image.line(), image.bands, x);  // RSZ-9: horizontal pass first
    Array<Sample> result(box.width, 0, image.bands);
    result.height = box.height;
    result.samples = pass(across.data(), 1, 0, result.line(), y);  // columns: one line whose pixels are whole rows
    return result;
}

template <class Sample>
Array<Sample> cut(const Array<Sample>& image, Box box) {  // CRP-2
    Array<Sample> result(box.width, box.height, image.bands);
    for (Index y = 0; y < box.height; ++y)
        std::copy_n(image.row(box.top + y) + box.left * image.bands, result.line(), result.row(y));
    return result;
}

inline std::vector<Index> nearest_indices(Index in, Index out, Index begin, Index count) {  // NEA-1
    std::vector<Index> indices;
    const double a = static_cast<double>(static_cast<float>(in)) / static_cast<double>(out);
    double xo = a * 0.5;
    for (Index x = 0; x < begin + count; ++x, xo = xo + a)
        if (x >= begin) indices.push_back(std::min(static_cast<Index>(xo), in - 1));
    return indices;
}

template <class Sample>
Array<Sample> nearest(const Array<Sample>& image, Size size, Box box) {
    const auto columns = nearest_indices(image.width, size.width, box.left, box.width);
    Array<Sample> result(box.width, box.height, 1);
    Sample* out = result.row(0);
    for (const Index y : nearest_indices(image.height, size.height, box.top, box.height))
        for (const Index x : columns) *out++ = image.row(y)[x];
    return result;
}

// What the resize of some modes does to the samples before its first pass and after its last.
template <class Sample>
void recode(Array<Sample>& image, Method method, bool before) {
    if constexpr (std::is_same_v<Sample, Byte>) {
        if (method != Method::alpha) return;
        for (auto pixel = image.samples.begin(); pixel != image.samples.end(); pixel += image.bands)
            for (auto c = pixel, alpha = pixel + (image.bands - 1); c != alpha; ++c)
                *c = before ? muldiv255(*c, *alpha) : undo_alpha(*c, *alpha);  // ALP-1, ALP-2
    } else if constexpr (std::is_same_v<Sample, std::uint16_t>) {
        if (method != Method::swapped) return;
        for (Sample& v : image.samples) v = static_cast<Sample>((v & 255) << 8 | v >> 8);  // DEP-4
    }
}

// The part `box` of the image resized to `size`: the whole for the stage `resize`, or what the crop keeps (RSZ-11).
template <class Sample>
Array<Sample> resize(const Array<Sample>& image, Method method, Size size, Box box) {
    if (size.width == image.width && size.height == image.height) return cut(image, box);  // SIZ-3, ALP-3
    if (method == Method::nearest) return nearest(image, size, box);
    Array<Sample> work = image;
    recode(work, method, true);
    work = resample(work, size, box);
    recode(work, method, false);
    return work;
}

// ------------------------------------------------------------------------------------------------------------ stages

inline Size size_of(const Image& image) {
    return std::visit([](const auto& array) { return Size{array.width, array.height}; }, image.array);
}

inline Image resize(const Image& image, Size size, Box box) {
    return std::visit([&](const auto& array) -> Image {
        return {image.mode, resize(array, image.mode->method, size, box), image.palette};
    }, image.array);
}

inline Image center_crop(const Image& image, Index n) {
    const Size size = size_of(image);
    Image cropped = resize(image, size, crop_box(size, n));  // to its own size: cut is all that happens
    if (const auto* array = std::get_if<Array<float>>(&cropped.array))
        for (const float v : array->samples)
            if (std::isnan(v)) throw Rejected("INP-5: NaN");
    return cropped;
}

inline Rgb rgb_of(const Mode& mode, const std::vector<Byte>& palette, const Byte* pixel) {
    if (mode.rgb != nullptr) return mode.rgb(pixel);
    const std::size_t entry = std::size_t{3} * pixel[0];  // RGB-4
    return entry + 3 > palette.size() ? Rgb{} : Rgb{palette[entry], palette[entry + 1], palette[entry + 2]};
}

template <class Deep>
Rgb rgb_of(const Mode&, const std::vector<Byte>&, const Deep* v) {  // RGB-9, RGB-10, RGB-11
    const Byte grey = *v <= 0 ? Byte{0} : *v >= 255 ? Byte{255} : static_cast<Byte>(*v);
    return {grey, grey, grey};
}

inline Array<Byte> convert_rgb(const Image& image) {
    return std::visit([&](const auto& array) {
        Array<Byte> result(array.width, array.height, 3);
        Byte* out = result.row(0);
        for (Index i = 0; i < array.width * array.height; ++i) {
            const Rgb rgb = rgb_of(*image.mode, image.palette, array.row(0) + i * array.bands);
            out = std::copy(rgb.begin(), rgb.end(), out);
        }
        return result;
    }, image.array);
}

inline std::vector<float> to_tensor(const Array<Byte>& rgb) {  // TEN-1, TEN-2
    std::vector<float> tensor;
    tensor.reserve(rgb.samples.size());
    for (std::size_t c = 0; c < 3; ++c)
        for (std::size_t i = c; i < rgb.samples.size(); i += 3)
            tensor.push_back(static_cast<float>(rgb.samples[i]) / 255.0f);
    return tensor;
}

inline std::vector<float> normalize(std::vector<float> tensor) {  // NRM-1, NRM-2
    constexpr float mean[] = {0.48145466f, 0.4578275f, 0.40821073f};
    constexpr float deviation[] = {0.26862954f, 0.26130258f, 0.27577711f};
    const std::size_t plane = tensor.size() / 3;
    for (std::size_t c = 0; c < 3; ++c)
        for (std::size_t i = c * plane; i < (c + 1) * plane; ++i) tensor[i] = (tensor[i] - mean[c]) / deviation[c];
    return tensor;
}

}  // namespace canon
