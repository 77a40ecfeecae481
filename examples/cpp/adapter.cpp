// An adapter for `clip-conformance check cmd:...`: it reads the messages of spec/PROTOCOL.md, one JSON object a line,
// and answers each on stdout. What it computes is canon.hpp; for a preprocessor of your own, rewrite `run`.
#include "canon.hpp"

#include <cstdlib>
#include <fstream>
#include <iostream>

using namespace canon;

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays are read and written as they lie in memory");

// ---------------------------------------------------------------------------------------------------- JSON, read only

struct Json {
    using List = std::vector<Json>;
    using Object = std::vector<std::pair<std::string, Json>>;
    std::variant<std::nullptr_t, bool, double, std::string, List, Object> value;

    template <class T>
    const T& as() const {
        if (const T* held = std::get_if<T>(&value)) return *held;
        throw std::runtime_error("the message has a value of another type");
    }
    Index integer() const {
        const double number = as<double>();
        if (std::abs(number) > 9007199254740992.0 || std::trunc(number) != number)
            throw std::runtime_error("the message has a number that is no integer");
        return static_cast<Index>(number);
    }
    const Json* find(const std::string& key) const {  // nothing where it is missing or null
        for (const auto& member : as<Object>())
            if (member.first == key && member.second.value.index() != 0) return &member.second;
        return nullptr;
    }
    const Json& operator[](const std::string& key) const {
        if (const Json* member = find(key)) return *member;
        throw std::runtime_error("the message lacks the key " + key);
    }
};

class JsonReader {
public:
    explicit JsonReader(const std::string& text) : text_(text) {}

    Json read() {
        Json json = value(0);
        skip_white();
        return at_ == text_.size() ? json : fail();
    }

private:
    [[noreturn]] Json fail() const { throw std::runtime_error("not JSON, at byte " + std::to_string(at_)); }
    void skip_white() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
    bool take(std::string_view token) {
        skip_white();
        const bool there = text_.compare(at_, token.size(), token) == 0;
        if (there) at_ += token.size();
        return there;
    }
    char next() { return at_ < text_.size() ? text_[at_++] : (fail(), '\0'); }

    Json value(int depth) {
        if (depth > 32) fail();
        if (take("{")) {
            Json::Object object;
            while (!take("}")) {
                if (!object.empty() && !take(",")) fail();
                if (!take("\"")) fail();
                std::string key = string();
                if (!take(":")) fail();
                object.emplace_back(std::move(key), value(depth + 1));
            }
            return {object};
        }
        if (take("[")) {
            Json::List list;
            while (!take("]")) {
                if (!list.empty() && !take(",")) fail();
                list.push_back(value(depth + 1));
            }
            return {list};
        }
        if (take("\"")) return {string()};
        if (take("true")) return {true};
        if (take("false")) return {false};
        if (take("null")) return {nullptr};
        const std::size_t end = std::min(text_.find_first_not_of("+-.0123456789Ee", at_), text_.size());
        const std::string digits = text_.substr(at_, end - at_);
        char* parsed = nullptr;
        const double number = std::strtod(digits.c_str(), &parsed);
        if (digits.empty() || *parsed != '\0') fail();
        at_ = end;
        return {number};
    }

    std::string string() {  // after the opening quote
        constexpr std::string_view escapes = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
        std::string result;
        for (char c = next(); c != '"'; c = next()) {
            if (c != '\\') {
                result += c;
            } else if (c = next(); c == 'u') {
                unsigned code = hex4();
                if (code >= 0xD800 && code < 0xDC00 && text_.compare(at_, 2, "\\u") == 0) {  // a surrogate pair
                    at_ += 2;
                    code = 0x10000 + ((code & 0x3FF) << 10) + (hex4() & 0x3FF);
                }
                append_utf8(result, code);
            } else if (const auto found = escapes.find(c); found != escapes.npos) {
                result += meanings[found];
            } else {
                fail();
            }
        }
        return result;
    }
    unsigned hex4() {
        const std::string digits = text_.substr(at_, 4);
        if (digits.size() < 4 || digits.find_first_not_of("0123456789ABCDEFabcdef") != std::string::npos) fail();
        at_ += 4;
        return static_cast<unsigned>(std::stoul(digits, nullptr, 16));
    }
    static void append_utf8(std::string& to, unsigned code) {
        const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        constexpr unsigned lead[] = {0, 0xC0, 0xE0, 0xF0};
        to += static_cast<char>(lead[more] | code >> (6 * more));
        for (int i = more - 1; i >= 0; --i) to += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
    }

    const std::string& text_;
    std::size_t at_ = 0;
};

std::string quoted(std::string_view text) {  // as a JSON string, in ASCII
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c >= ' ' && c <= '~' ? c : '?';
    }
    return result + '"';
}

// ------------------------------------------------------------------------------------------------------------- input

template <class Sample>
std::vector<Sample> read_samples(const Json& input, Index count) {
    std::ifstream file(input["path"].as<std::string>(), std::ios::binary | std::ios::ate);
    const Index offset = input["offset"].integer(), most = (file.tellg() - offset) / static_cast<Index>(sizeof(Sample));
    if (!file || offset < 0 || most < count) throw std::runtime_error("the input file is missing or too short");
    std::vector<Sample> samples(static_cast<std::size_t>(count));
    file.seekg(offset).read(reinterpret_cast<char*>(samples.data()), count * static_cast<Index>(sizeof(Sample)));
    if (!file) throw std::runtime_error("the input file cannot be read");
    return samples;
}

template <class Sample>
Image read_image(const Json& input, const Mode& mode, Size size) {
    Image image{&mode, Array<Sample>(size.width, 0, mode.bands), {}};
    auto& array = std::get<Array<Sample>>(image.array);
    array.height = size.height;
    array.samples = read_samples<Sample>(input, size.width * size.height * mode.bands);
    if (mode.name == "1")  // INP-3
        for (Sample& v : array.samples) v = v != 0 ? 255 : 0;
    if (const Json* palette = input.find("palette"))
        for (const Json& v : palette->as<Json::List>()) image.palette.push_back(static_cast<Byte>(v.integer()));
    return image;
}

Image read_image(const Json& input, Index most_pixels) {
    if (input["kind"].as<std::string>() != "array") throw Rejected("this adapter does not decode files");
    const Mode& mode = mode_named(input["mode"].as<std::string>());
    std::vector<Index> shape;
    for (const Json& length : input["shape"].as<Json::List>()) shape.push_back(length.integer());
    if (shape.size() == 2) shape.push_back(1);
    if (shape.size() != 3 || shape[0] < 0 || shape[1] < 0) throw std::runtime_error("a shape that no image has");
    const Size size{shape[1], shape[0]};
    check_size(size, most_pixels);
    const std::string& dtype = input["dtype"].as<std::string>();
    if (dtype != mode.dtype || shape[2] != mode.bands) throw std::runtime_error("the array is not one of its mode");
    if (dtype == "uint16") return read_image<std::uint16_t>(input, mode, size);
    if (dtype == "int32") return read_image<std::int32_t>(input, mode, size);
    if (dtype == "float32") return read_image<float>(input, mode, size);
    return read_image<Byte>(input, mode, size);
}

// ------------------------------------------------------------------------------------------------------------ output

// Writes what was asked for as .npy files, which tell their shape, and collects the `outputs` of the answer.
struct Outputs {
    std::string folder;
    std::vector<std::string> wanted;
    std::string json = {};

    bool wants(const std::string& stage) const { return std::count(wanted.begin(), wanted.end(), stage) != 0; }

    template <class Sample>
    void put(const std::string& stage, const std::vector<Index>& shape, const std::vector<Sample>& samples) {
        if (!wants(stage)) return;
        const char* type = std::is_same_v<Sample, float> ? "<f4" : std::is_same_v<Sample, Byte> ? "|u1"
                           : std::is_same_v<Sample, std::int32_t> ? "<i4" : "<u2";
        std::string header = "{'descr': '" + std::string(type) + "', 'fortran_order': False, 'shape': (";
        for (const Index length : shape) header += std::to_string(length) + ", ";
        header += ")}";
        header.append(63 - (10 + header.size()) % 64, ' ') += '\n';
        const std::string name = stage + ".npy";
        std::ofstream file(folder + "/" + name, std::ios::binary);
        file.write("\x93NUMPY\x01\x00", 8);
        file.put(static_cast<char>(header.size())).put('\0') << header;  // the header is shorter than 256 bytes
        file.write(reinterpret_cast<const char*>(samples.data()), static_cast<Index>(samples.size() * sizeof(Sample)));
        file.close();
        if (!file) throw std::runtime_error("an output cannot be written");
        json += (json.empty() ? "" : ",") + quoted(stage) + ":" + quoted(name);
    }
    void put(const std::string& stage, const AnyArray& any) {
        std::visit([&](const auto& array) {
            std::vector<Index> shape = {array.height, array.width};
            if (array.bands > 1) shape.push_back(array.bands);
            put(stage, shape, array.samples);
        }, any);
    }
};

// ---------------------------------------------------------------------------------------------------------- messages

const std::vector<std::string> stages = {"resize", "center_crop", "convert_rgb", "to_tensor", "normalize"};

// Runs the stages from number `first` on.
void run(const Json& input, std::size_t first, Index n, Outputs& outputs) {
    if (first == 4) return outputs.put("normalize", {3, n, n}, normalize(read_samples<float>(input, 3 * n * n)));
    Image image = read_image(input, first == 0 ? max_pixels : Index{1} << 40);
    if (first == 0) {
        const Size size = resized_size(size_of(image), n);
        const bool whole = outputs.wants("resize");
        image = resize(image, size, whole ? Box{0, 0, size.width, size.height} : crop_box(size, n));
    }
    const Image cropped = center_crop(image, n);  // what is n x n already stays as it is
    outputs.put("resize", image.array);
    outputs.put("center_crop", cropped.array);
    const Array<Byte> rgb = convert_rgb(cropped);
    outputs.put("convert_rgb", rgb);
    const std::vector<float> tensor = to_tensor(rgb);
    outputs.put("to_tensor", {3, n, n}, tensor);
    outputs.put("normalize", {3, n, n}, normalize(tensor));
}

class Adapter {
public:
    std::string answer(const std::string& line) {
        std::string seq;
        try {
            const Json message = JsonReader(line).read();
            if (const Json* number = message.find("seq")) seq = "\"seq\":" + std::to_string(number->integer()) + ",";
            return "{" + seq + answer(message) + "}";
        } catch (const Rejected& refusal) {
            return "{" + seq + R"("status":"rejected","message":)" + quoted(refusal.what()) + "}";
        } catch (const std::exception& failure) {  // the run goes on, also where memory did not suffice
            return "{" + seq + R"("status":"error","message":)" + quoted(failure.what()) + "}";
        }
    }
    bool stopped() const { return stopped_; }

private:
    std::string answer(const Json& message) {
        const std::string& cmd = message["cmd"].as<std::string>();
        if (cmd == "start")
            return R"("status":"ok","protocol":1,"environment":{"compiler":)" + quoted(__VERSION__) + "}," +
                   R"("implementation":{"name":"clip-canon-cpp","version":"1.0","language":"c++"})";
        if (cmd == "profile") {
            const Index n = message["n_px"].integer();
            if (n < 1 || n > 65536) throw std::runtime_error("this n_px is not served");
            n_ = n;
            std::string list;
            for (const std::string& stage : stages) list += (list.empty() ? "" : ",") + quoted(stage);
            return R"("status":"ok","stages":[)" + list + R"(],"from":[)" + list + "]";
        }
        if (cmd == "run") {
            if (n_ == 0) throw std::runtime_error("run before profile");
            Outputs outputs{message["out"].as<std::string>(), {}};
            std::size_t first = 0;
            for (const Json& stage : message["stages"].as<Json::List>()) {
                outputs.wanted.push_back(stage.as<std::string>());
                const auto found = std::find(stages.begin(), stages.end(), outputs.wanted.back());
                if (found == stages.end()) throw std::runtime_error("an unknown stage");
                if (message.find("from") != nullptr) first = static_cast<std::size_t>(found - stages.begin());
            }
            run(message["input"], first, n_, outputs);
            return R"("status":"ok","outputs":{)" + outputs.json + "}";
        }
        if (cmd != "stop") throw std::runtime_error("an unknown cmd");
        stopped_ = true;
        return R"("status":"ok")";
    }

    Index n_ = 0;
    bool stopped_ = false;
};

int main() {
    Adapter adapter;
    for (std::string line; !adapter.stopped() && std::getline(std::cin, line);)
        std::cout << adapter.answer(line) << std::endl;  // endl flushes
}
