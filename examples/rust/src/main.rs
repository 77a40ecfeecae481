//! The preprocessing of CLIP as a Rust program does it today, around the resize of the `image` crate, and as an adapter
//! for `clip-conformance check cmd:...` (spec/PROTOCOL.md). Ids such as SIZ-1 are of spec/CLIP-PREPROCESSING.md.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};
use serde_json::{json, Map, Value};

type Outcome<T> = Result<T, Box<dyn Error>>;

// ------------------------------------------------------------------------------------------- the preprocessing itself

// NRM-2
#[allow(clippy::excessive_precision)]
const MEAN: [f32; 3] = [0.48145466, 0.4578275, 0.40821073];
#[allow(clippy::excessive_precision)]
const STD: [f32; 3] = [0.26862954, 0.26130258, 0.27577711];

fn resize(image: &DynamicImage, n: u32) -> Outcome<DynamicImage> {
    let (short, long) = (image.width().min(image.height()), image.width().max(image.height()));
    let long = u32::try_from(u64::from(n) * u64::from(long) / u64::from(short))?; // SIZ-1
    let (w, h) = if image.width() <= image.height() { (n, long) } else { (long, n) }; // SIZ-2
    if (w, h) == (image.width(), image.height()) {
        return Ok(image.clone()); // SIZ-3
    }
    Ok(image.resize_exact(w, h, FilterType::CatmullRom))
}

fn center_crop(image: &DynamicImage, n: u32) -> Outcome<DynamicImage> {
    let offset = |side: u32| side.checked_sub(n).map(|d| d / 2 + (((d / 2) & 1) * (d & 1))); // CRP-1
    match (offset(image.width()), offset(image.height())) {
        (Some(left), Some(top)) => Ok(image.crop_imm(left, top, n, n)),
        _ => Err("the image is smaller than the crop".into()), // CRP-3
    }
}

fn to_tensor(image: &RgbImage) -> Vec<f32> {
    // TEN-1, TEN-2
    (0..3).flat_map(|c| image.pixels().map(move |pixel| f32::from(pixel[c]) / 255.0)).collect()
}

fn normalize(tensor: &[f32]) -> Vec<f32> {
    // NRM-1
    let plane = tensor.len() / 3;
    tensor.iter().enumerate().map(|(i, t)| (t - MEAN[i / plane]) / STD[i / plane]).collect()
}

// -------------------------------------------------------------------------------------------------------- the adapter

const STAGES: [&str; 6] = ["decode", "resize", "center_crop", "convert_rgb", "to_tensor", "normalize"];
const MOST_PIXELS: u64 = 178_956_970; // INP-6

/// The image is refused; everything else that goes wrong is an error.
#[derive(Debug)]
struct Rejected(String);

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Rejected {}

fn rejected<T>(why: impl Into<String>) -> Outcome<T> {
    Err(Box::new(Rejected(why.into())))
}

fn text<'a>(message: &'a Value, key: &str) -> Outcome<&'a str> {
    message[key].as_str().ok_or_else(|| format!("{key}: a string was expected").into())
}

fn number(value: &Value, key: &str) -> Outcome<u64> {
    value.as_u64().ok_or_else(|| format!("{key}: an integer was expected").into())
}

fn list<'a>(message: &'a Value, key: &str) -> Outcome<&'a Vec<Value>> {
    message[key].as_array().ok_or_else(|| format!("{key}: a list was expected").into())
}

/// The bytes of the samples of an array.
fn read_bytes(input: &Value) -> Outcome<Vec<u8>> {
    let offset = usize::try_from(number(&input["offset"], "offset")?)?;
    let mut bytes = fs::read(text(input, "path")?)?;
    if offset > bytes.len() {
        return Err("the input file is too short".into());
    }
    Ok(bytes.split_off(offset))
}

fn read_image(input: &Value) -> Outcome<DynamicImage> {
    if text(input, "kind")? == "file" {
        let reader = image::io::Reader::open(text(input, "path")?)?.with_guessed_format()?;
        return reader.decode().or_else(|error| rejected(error.to_string()));
    }
    let mode = text(input, "mode")?;
    let bands = match mode {
        "L" => 1,
        "LA" => 2,
        "RGB" => 3,
        "RGBA" => 4,
        _ => return rejected(format!("INP-3: mode {mode} is not one of the image crate")),
    };
    let mut shape = Vec::new();
    for length in list(input, "shape")? {
        shape.push(u32::try_from(number(length, "shape")?)?);
    }
    let (width, height) = match shape[..] {
        [h, w] if bands == 1 => (w, h),
        [h, w, b] if b == bands => (w, h),
        _ => return Err("the array is not one of its mode".into()),
    };
    if width == 0 || height == 0 {
        return rejected("INP-2: an image without pixels");
    }
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return rejected("INP-6: too many pixels");
    }
    let bytes = read_bytes(input)?;
    let image = match mode {
        "L" => GrayImage::from_raw(width, height, bytes).map(DynamicImage::from),
        "LA" => GrayAlphaImage::from_raw(width, height, bytes).map(DynamicImage::from),
        "RGB" => RgbImage::from_raw(width, height, bytes).map(DynamicImage::from),
        _ => RgbaImage::from_raw(width, height, bytes).map(DynamicImage::from),
    };
    image.ok_or_else(|| "the input file is too short".into())
}

/// Writes what was asked for as .npy files, which tell their shape.
struct Outputs<'a> {
    folder: &'a Path,
    wanted: &'a [Value],
    written: Map<String, Value>,
}

impl Outputs<'_> {
    fn put(&mut self, stage: &str, dtype: &str, shape: &[u32], bytes: &[u8]) -> Outcome<()> {
        if !self.wanted.iter().any(|wanted| wanted == stage) {
            return Ok(());
        }
        let shape = shape.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({shape}), }}");
        let padded = (header.len() + 11 + 63) / 64 * 64 - 11; // with 10 bytes before it and a newline after it
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend(u16::try_from(padded + 1)?.to_le_bytes());
        file.extend(format!("{header:padded$}\n").bytes());
        file.extend(bytes);
        let name = format!("{stage}.npy");
        fs::write(self.folder.join(&name), file)?;
        self.written.insert(stage.into(), name.into());
        Ok(())
    }

    fn put_image(&mut self, stage: &str, image: &DynamicImage) -> Outcome<()> {
        let bands = image.color().channel_count();
        let dtype = match image.color().bytes_per_pixel() / bands {
            1 => "|u1",
            2 => "<u2",
            _ => "<f4",
        };
        let shape = [image.height(), image.width(), u32::from(bands)];
        self.put(stage, dtype, if bands == 1 { &shape[..2] } else { &shape }, image.as_bytes())
    }

    fn put_tensor(&mut self, stage: &str, n: u32, tensor: &[f32]) -> Outcome<()> {
        let bytes: Vec<u8> = tensor.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.put(stage, "<f4", &[3, n, n], &bytes)
    }
}

fn run(message: &Value, n: u32) -> Outcome<Value> {
    let input = &message["input"];
    let wanted = list(message, "stages")?;
    let numbers: Option<Vec<usize>> =
        wanted.iter().map(|wanted| STAGES.iter().position(|stage| wanted == stage)).collect();
    let last = numbers.and_then(|numbers| numbers.into_iter().max()).ok_or("an unknown stage, or none")?;
    // With `from` the one stage that is wanted is run alone.
    let first = if message["from"].is_null() { 0 } else { last };
    let mut outputs = Outputs { folder: Path::new(text(message, "out")?), wanted, written: Map::new() };

    if first == 5 {
        let tensor: Vec<f32> =
            read_bytes(input)?.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if tensor.len() as u64 != 3 * u64::from(n) * u64::from(n) {
            return Err("the array is not a tensor of this n_px".into());
        }
        outputs.put_tensor("normalize", n, &normalize(&tensor))?;
        return Ok(outputs.written.into());
    }
    let mut image = read_image(input)?;
    outputs.put_image("decode", &image)?;
    if first <= 1 {
        image = resize(&image, n)?;
        outputs.put_image("resize", &image)?;
    }
    if first <= 2 {
        image = center_crop(&image, n)?;
        outputs.put_image("center_crop", &image)?;
    }
    let rgb = image.to_rgb8();
    outputs.put("convert_rgb", "|u1", &[rgb.height(), rgb.width(), 3], &rgb)?;
    let tensor = to_tensor(&rgb);
    outputs.put_tensor("to_tensor", n, &tensor)?;
    outputs.put_tensor("normalize", n, &normalize(&tensor))?;
    Ok(outputs.written.into())
}

fn answer(message: &Value, n_px: &mut u32) -> Outcome<Value> {
    match text(message, "cmd")? {
        "start" => Ok(json!({
            "status": "ok",
            "protocol": 1,
            "implementation": {
                "name": "image-rs-catmullrom",
                "version": env!("CARGO_PKG_VERSION"),
                "language": "rust",
                "source": "https://crates.io/crates/image",
            },
            "environment": {"image": env!("IMAGE_VERSION")},
        })),
        "profile" => {
            *n_px = u32::try_from(number(&message["n_px"], "n_px")?)?;
            Ok(json!({"status": "ok", "stages": STAGES, "from": STAGES[1..]}))
        }
        "run" if *n_px == 0 => Err("run before profile".into()),
        "run" => Ok(json!({"status": "ok", "outputs": run(message, *n_px)?})),
        "stop" => Ok(json!({"status": "ok"})),
        _ => Err("an unknown cmd".into()),
    }
}

fn main() -> io::Result<()> {
    let mut n_px = 0;
    for line in io::stdin().lock().split(b'\n') {
        let parsed = serde_json::from_slice::<Value>(&line?);
        let message = parsed.as_ref().unwrap_or(&Value::Null);
        let outcome = catch_unwind(AssertUnwindSafe(|| match &parsed {
            Ok(message) => answer(message, &mut n_px),
            Err(error) => Err(format!("not JSON: {error}").into()),
        }));
        let mut reply = match outcome {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                let status = if error.is::<Rejected>() { "rejected" } else { "error" };
                json!({"status": status, "message": error.to_string().replace('\n', " ")})
            }
            Err(_) => json!({"status": "error", "message": "a panic; stderr tells where"}),
        };
        if message["seq"].is_number() {
            reply["seq"] = message["seq"].clone();
        }
        println!("{reply}");
        io::stdout().flush()?;
        if message["cmd"] == "stop" {
            break;
        }
    }
    Ok(())
}
