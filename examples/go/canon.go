// CLIP image preprocessing of 8-bit images, to the bit.
//
// This file is written from the text of spec/CLIP-PREPROCESSING.md alone. The ids in the comments are its clauses.
//
// On arm64, ppc64, s390x and riscv64 the Go compiler may join a multiplication and an addition into one fused
// operation, which rounds once instead of twice. An explicit conversion forbids it: hence every float64(a * b).

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/png"
)

// An Image has 8-bit samples: row after row, the bands of a pixel side by side.
type Image struct {
	Mode          string // a key of bandsOf
	Width, Height int
	Pix           []uint8
}

// The modes that are supported. INP-3 lets an implementation reject the others.
var bandsOf = map[string]int{"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}

// A Rejection is the error for an image that is refused, as opposed to one that could not be read.
type Rejection string

func (r Rejection) Error() string { return string(r) }

const maxPixels = 2 * 89478485 // INP-6

// CheckSize rejects images that have no pixels (INP-2) or too many (INP-6).
func CheckSize(width, height int64) error {
	if width <= 0 || height <= 0 {
		return Rejection(fmt.Sprintf("INP-2: the image is %d x %d", width, height))
	}
	if width > maxPixels/height {
		return Rejection(fmt.Sprintf("INP-6: %d x %d are too many pixels", width, height))
	}
	return nil
}

// ResizedSize says to which size an image is scaled: the shorter side becomes n (SIZ-1, SIZ-2).
func ResizedSize(width, height, n int64) (w, h int64) {
	if width <= height {
		return n, n * height / width
	}
	return n * width / height, n
}

// cropOffset is half of what the crop leaves over, and a half is rounded to even (CRP-1).
func cropOffset(size, n int64) int64 {
	half, odd := (size-n)/2, (size-n)&1
	return half + (half&1)*odd
}

// cubic is the cubic convolution kernel with a = -0.5 (RSZ-3).
func cubic(t float64) float64 {
	const a = -0.5
	if t < 0 {
		t = -t
	}
	if t < 1 {
		return float64((float64((a+2)*t)-(a+3))*t*t) + 1
	}
	if t < 2 {
		return float64((float64((float64((t-5)*t)+8)*t) - 4) * a)
	}
	return 0
}

// A window is what one sample of a pass is made of: the input samples from first on, with these weights.
type window struct {
	first   int
	weights []int32
}

// end is one past the last input sample of the window.
func (w window) end() int { return w.first + len(w.weights) }

const one = 1 << 22 // the weight 1.0 (RSZ-7)

// windows computes the windows of the n output samples that the crop keeps (RSZ-11), where an axis goes from in to out
// samples. Scale and coordinates are those of the whole axis.
func windows(in, out int64, n int) []window {
	result := make([]window, n)
	offset := cropOffset(out, int64(n))
	scale := float64(float32(in)) / float64(out) // RSZ-4
	filterscale := scale
	if scale < 1 {
		filterscale = 1
	}
	support := float64(2 * filterscale)
	inv := 1 / filterscale
	for i := range result {
		x := offset + int64(i)
		if in == out { // RSZ-10: a skipped pass copies the sample
			result[i] = window{int(x), []int32{one}}
			continue
		}
		center := float64((float64(x) + 0.5) * scale) // RSZ-5
		xmin := int64(center - support + 0.5)
		if xmin < 0 {
			xmin = 0
		}
		xmax := int64(center + support + 0.5)
		if xmax > in {
			xmax = in
		}
		k := make([]float64, xmax-xmin) // RSZ-6
		ww := 0.0
		for j := range k {
			k[j] = cubic(float64((float64(int64(j)+xmin) - center + 0.5) * inv))
			ww += k[j]
		}
		weights := make([]int32, len(k))
		for j := range k {
			if ww != 0 {
				k[j] /= ww
			}
			if k[j] < 0 { // RSZ-7
				weights[j] = int32(float64(k[j]*one) - 0.5)
			} else {
				weights[j] = int32(float64(k[j]*one) + 0.5)
			}
		}
		result[i] = window{int(xmin), weights}
	}
	return result
}

// clip8 makes a sample of a sum that began at one half (RSZ-8).
func clip8(sum int32) uint8 {
	sum >>= 22
	if sum < 0 {
		return 0
	}
	if sum > 255 {
		return 255
	}
	return uint8(sum)
}

// Crop resizes the image and cuts n x n pixels out of its middle. Of the resized image it computes what the crop keeps
// and nothing else (RSZ-11), so an image of 1 x 20000 pixels takes no more memory than any other.
func Crop(img Image, n int) Image {
	bands := bandsOf[img.Mode]
	w, h := ResizedSize(int64(img.Width), int64(img.Height), int64(n))
	columns := windows(int64(img.Width), w, n)
	rows := windows(int64(img.Height), h, n)
	// ALP-3: an image that keeps its size is not premultiplied.
	alpha := bands%2 == 0 && (w != int64(img.Width) || h != int64(img.Height))

	// The horizontal pass (RSZ-9), over the rows that the vertical pass reads.
	top, bottom := rows[0].first, rows[n-1].end()
	left, right := columns[0].first, columns[n-1].end()
	stride := n * bands
	middle := make([]uint8, (bottom-top)*stride)
	premultiplied := make([]uint8, (right-left)*bands)
	for y := top; y < bottom; y++ {
		row := img.Pix[(y*img.Width+left)*bands : (y*img.Width+right)*bands]
		if alpha {
			copy(premultiplied, row)
			row = premultiplied
			premultiply(row, bands)
		}
		for x, window := range columns {
			for band := 0; band < bands; band++ {
				sum := int32(one / 2)
				at := (window.first-left)*bands + band
				for _, weight := range window.weights {
					sum += int32(row[at]) * weight
					at += bands
				}
				middle[(y-top)*stride+x*bands+band] = clip8(sum)
			}
		}
	}

	// The vertical pass, over the result of the horizontal one.
	crop := Image{img.Mode, n, n, make([]uint8, n*stride)}
	sums := make([]int32, stride)
	for y, window := range rows {
		for i := range sums {
			sums[i] = one / 2
		}
		for j, weight := range window.weights {
			at := (window.first - top + j) * stride
			for i, sample := range middle[at : at+stride] {
				sums[i] += int32(sample) * weight
			}
		}
		for i, sum := range sums {
			crop.Pix[y*stride+i] = clip8(sum)
		}
	}
	if alpha {
		unpremultiply(crop.Pix, bands)
	}
	return crop
}

// premultiply multiplies the colours by the alpha, the last band (ALP-1).
func premultiply(pix []uint8, bands int) {
	for ; len(pix) > 0; pix = pix[bands:] {
		for band := 0; band < bands-1; band++ {
			t := int(pix[band])*int(pix[bands-1]) + 128
			pix[band] = uint8((t + (t >> 8)) >> 8)
		}
	}
}

// unpremultiply divides the colours by the alpha (ALP-2).
func unpremultiply(pix []uint8, bands int) {
	for ; len(pix) > 0; pix = pix[bands:] {
		alpha := int(pix[bands-1])
		if alpha == 0 || alpha == 255 {
			continue
		}
		for band := 0; band < bands-1; band++ {
			colour := 255 * int(pix[band]) / alpha
			if colour > 255 {
				colour = 255
			}
			pix[band] = uint8(colour)
		}
	}
}

// ToRGB makes the image RGB: grey becomes three equal bands (RGB-2), alpha is dropped (RGB-3).
func ToRGB(img Image) Image {
	bands := bandsOf[img.Mode]
	rgb := Image{"RGB", img.Width, img.Height, make([]uint8, 0, img.Width*img.Height*3)}
	for at := 0; at < len(img.Pix); at += bands {
		if pixel := img.Pix[at:]; bands < 3 {
			rgb.Pix = append(rgb.Pix, pixel[0], pixel[0], pixel[0])
		} else {
			rgb.Pix = append(rgb.Pix, pixel[0], pixel[1], pixel[2])
		}
	}
	return rgb
}

// NRM-2
var (
	mean = [3]float32{0.48145466, 0.4578275, 0.40821073}
	std  = [3]float32{0.26862954, 0.26130258, 0.27577711}
)

// normalized[c][u] is what the sample u of channel c becomes (TEN-1, NRM-1, NRM-3).
var normalized = func() (table [3][256]float32) {
	for c := range table {
		for u := range table[c] {
			t := float32(u) / 255
			table[c][u] = (t - mean[c]) / std[c]
		}
	}
	return
}()

// Tensor makes the model's input of an RGB image: channel, row, column (TEN-2).
func Tensor(rgb Image) []float32 {
	size := rgb.Width * rgb.Height
	tensor := make([]float32, 3*size)
	for i, u := range rgb.Pix {
		tensor[i%3*size+i/3] = normalized[i%3][u]
	}
	return tensor
}

// DecodePNG decodes a PNG with 8-bit samples and without a palette, and rejects every other file. What a PNG says about
// colours is not applied (DEC-3), nor is its tRNS chunk (DEC-4); image/png does neither of them to the samples.
func DecodePNG(file []byte) (Image, error) {
	if len(file) < 26 || string(file[:8]) != "\x89PNG\r\n\x1a\n" {
		return Image{}, Rejection("not a PNG")
	}
	width, height := binary.BigEndian.Uint32(file[16:]), binary.BigEndian.Uint32(file[20:])
	if err := CheckSize(int64(width), int64(height)); err != nil {
		return Image{}, err
	}
	mode := map[byte]string{0: "L", 2: "RGB", 4: "LA", 6: "RGBA"}[file[25]] // DEC-4
	if file[24] != 8 || mode == "" {
		return Image{}, Rejection("only PNGs with 8-bit samples and without a palette are supported")
	}
	decoded, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return Image{}, Rejection(err.Error()) // DEC-8
	}
	switch d := decoded.(type) {
	case *image.Gray:
		return Image{mode, int(width), int(height), d.Pix}, nil
	case *image.RGBA: // what image/png makes of mode RGB: alpha is 255 everywhere
		return Image{mode, int(width), int(height), pickBands(mode, d.Pix)}, nil
	case *image.NRGBA:
		return Image{mode, int(width), int(height), pickBands(mode, d.Pix)}, nil
	}
	return Image{}, errors.New("image/png gave an image of another type")
}

// pickBands takes the bands of a mode from R, G, B, A.
func pickBands(mode string, rgba []uint8) []uint8 {
	bands := map[string][]int{"L": {0}, "LA": {0, 3}, "RGB": {0, 1, 2}, "RGBA": {0, 1, 2, 3}}[mode]
	pix := make([]uint8, 0, len(rgba)/4*len(bands))
	for at := 0; at < len(rgba); at += 4 {
		for _, band := range bands {
			pix = append(pix, rgba[at+band])
		}
	}
	return pix
}
