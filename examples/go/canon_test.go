package main

import (
	"crypto/sha256"
	"fmt"
	"testing"
)

// pattern is the test image of appendix A.1.
func pattern(mode string, width, height int) Image {
	img := Image{Mode: mode, Width: width, Height: height}
	for y := 0; y < height; y++ {
		for x := 0; x < width; x++ {
			for c := 0; c < bandsOf[mode]; c++ {
				img.Pix = append(img.Pix, uint8((x*x*(c+1)+y*y*(3-c%3)+7*x*y+50*c)/(5+c)%256))
			}
		}
	}
	return img
}

// The golden vectors of appendix A.2.
func TestGolden(t *testing.T) {
	for _, golden := range []struct {
		mode             string
		width, height, n int
		digest           string
	}{
		{"RGB", 640, 480, 224, "f94163d5655805b5cb882bf0afd66a5fc49f373193e1c02dcaf5c561f7693fda"},
		{"RGB", 480, 641, 224, "86c2bbdda6f6f73a9fc736b963c1b33ecb9a401b35634724853672a9aa5bcc70"},
		{"RGB", 500, 1100, 224, "45fe24f5bcdf864db6b644934556416ec563850805dc79e2429d3ef6e2659ebd"},
		{"RGB", 100, 80, 224, "ef7e21e3d5b45053aec5e09ba59ac58e2bfbb24dd7a3e07104f72ca10547eed3"},
		{"RGB", 227, 224, 224, "431549de386bfd3002be2ba32f96e1827659927eec770fba780f934e0b0850a6"},
		{"RGB", 225, 224, 224, "d770235e6b037ddde48b1cf9a822bb40af299a74a8fac6e2175a4da97afc6770"},
		{"RGBA", 400, 301, 224, "77484a385f5fdb725df3379e0a6ad988e9a5af8a318d94c396e318aa4eeeba4a"},
		{"LA", 301, 400, 224, "463d1f0fcabcaa04f69583c09af4f5fd115f78948f3d3ccdcbaa1835c43b1307"},
		{"L", 333, 517, 336, "a58014005552a8f5a18293809f8c8917e793a67b493a937203d93c542b699ab0"},
		{"RGB", 1, 9, 224, "651dfca2294b855934d16abf0f807033f1e6fdd1690d63515f5e595bf67a2620"},
		{"RGB", 900, 700, 448, "294626ab41521c993c127e57c74124a55bd5fb1958661b56f6597812165db0bb"},
	} {
		tensor := preprocess(pattern(golden.mode, golden.width, golden.height), golden.n)["normalize"]
		if digest := fmt.Sprintf("%x", sha256.Sum256(samples(tensor))); digest != golden.digest {
			t.Errorf("%s %d x %d: %s", golden.mode, golden.width, golden.height, digest)
		}
	}
}
