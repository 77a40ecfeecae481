// An adapter for clip-conformance in Go. It speaks both protocols of spec/PROTOCOL.md:
//
//	adapter                   answers messages on stdin until it is told to stop   (cmd:)
//	adapter INPUT N OUTPUT    preprocesses one PNG                                 (exec:)
//
// To score your own preprocessor, copy this file and call yours in preprocess.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// The stages whose outputs are given. With the last one alone the suite finds the stage at fault by itself.
var stages = []string{"normalize"}

// preprocess gives the output of every stage.
func preprocess(img Image, n int) map[string]any {
	return map[string]any{"normalize": Tensor(ToRGB(Crop(img, n)))}
}

// samples are the bytes of an output: little-endian, without a header.
func samples(output any) []byte {
	var buffer bytes.Buffer
	binary.Write(&buffer, binary.LittleEndian, output) // cannot fail for a slice of numbers
	return buffer.Bytes()
}

// A message is any message of the harness, with the keys that are used here. encoding/json ignores the others.
type message struct {
	Cmd    string
	NPx    int `json:"n_px"`
	Seq    *int64
	Input  input
	Stages []string
	From   string
	Out    string
}

// An input says where an image is.
type input struct {
	Kind, Path, Dtype, Mode string
	Offset                  int64
	Shape                   []int64
}

// A reply is any answer.
type reply struct {
	Seq            *int64            `json:"seq,omitempty"`
	Status         string            `json:"status"`
	Message        string            `json:"message,omitempty"`
	Protocol       int               `json:"protocol,omitempty"`
	Implementation map[string]string `json:"implementation,omitempty"`
	Environment    map[string]string `json:"environment,omitempty"`
	Stages         []string          `json:"stages,omitempty"`
	Outputs        map[string]string `json:"outputs,omitempty"`
}

// failure is the answer where something went wrong.
func failure(err error) reply {
	var rejection Rejection
	if errors.As(err, &rejection) {
		return reply{Status: "rejected", Message: err.Error()}
	}
	return reply{Status: "error", Message: err.Error()}
}

const maxNPx = 4096 // so that no message makes the adapter run out of memory

// serve answers one line after the other until it is told to stop.
func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	answers := json.NewEncoder(out) // writes one line and keeps none back
	n := 0
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return nil // the end of stdin means stop
		}
		if err != nil && err != io.EOF {
			return err
		}
		var m message
		var answer reply
		if err := json.Unmarshal(line, &m); err != nil {
			answer = failure(err)
		} else {
			switch m.Cmd {
			case "start":
				answer = reply{
					Status:         "ok",
					Protocol:       1,
					Implementation: map[string]string{"name": "go-example", "version": "1.0", "language": "go"},
					Environment:    map[string]string{"go": runtime.Version(), "processor": runtime.GOARCH},
				}
			case "profile":
				n = 0
				if m.NPx < 1 {
					answer = failure(fmt.Errorf("n_px is %d", m.NPx))
				} else if m.NPx > maxNPx {
					answer = reply{Status: "skipped", Message: "n_px is too large", Stages: stages}
				} else {
					n = m.NPx
					answer = reply{Status: "ok", Stages: stages}
				}
			case "run":
				answer = run(m, n)
			case "stop":
				return answers.Encode(reply{Status: "ok"})
			default:
				answer = failure(fmt.Errorf("cmd is %q", m.Cmd))
			}
		}
		answer.Seq = m.Seq
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

// run answers a run message.
func run(m message, n int) reply {
	if n == 0 {
		return failure(errors.New("run without a profile"))
	}
	if m.From != "" {
		return failure(errors.New("no stage can be run alone"))
	}
	if m.Out == "" {
		return failure(errors.New("run without a folder for the outputs"))
	}
	img, err := load(m.Input)
	if err != nil {
		return failure(err)
	}
	outputs := preprocess(img, n)
	paths := map[string]string{}
	for _, stage := range m.Stages {
		output, known := outputs[stage]
		if !known {
			return failure(fmt.Errorf("there is no stage %q", stage))
		}
		paths[stage] = stage + ".raw"
		if err := os.WriteFile(filepath.Join(m.Out, paths[stage]), samples(output), 0o666); err != nil {
			return failure(err)
		}
	}
	return reply{Status: "ok", Outputs: paths}
}

// load reads the image of a run message.
func load(in input) (Image, error) {
	if in.Kind == "file" {
		file, err := os.ReadFile(in.Path)
		if err != nil {
			return Image{}, err
		}
		return DecodePNG(file)
	}
	if in.Kind != "array" {
		return Image{}, fmt.Errorf("the input's kind is %q", in.Kind)
	}
	bands, known := bandsOf[in.Mode]
	if !known || in.Dtype != "uint8" {
		return Image{}, Rejection(fmt.Sprintf("INP-3: mode %s of %s is not supported", in.Mode, in.Dtype))
	}
	shape := in.Shape
	if len(shape) == 2 {
		shape = append(shape, 1)
	}
	if len(shape) != 3 || shape[2] != int64(bands) {
		return Image{}, fmt.Errorf("%v is no shape of mode %s", in.Shape, in.Mode)
	}
	if err := CheckSize(shape[1], shape[0]); err != nil {
		return Image{}, err
	}
	file, err := os.Open(in.Path)
	if err != nil {
		return Image{}, err
	}
	defer file.Close()
	img := Image{in.Mode, int(shape[1]), int(shape[0]), make([]uint8, shape[0]*shape[1]*shape[2])}
	if _, err := file.ReadAt(img.Pix, in.Offset); err != nil {
		return Image{}, fmt.Errorf("%s: %w", in.Path, err)
	}
	return img, nil
}

// preprocessFile preprocesses one PNG (exec:).
func preprocessFile(source, side, target string) error {
	n, err := strconv.Atoi(side)
	if err != nil || n < 1 || n > maxNPx {
		return fmt.Errorf("%q is no side of a model's input", side)
	}
	img, err := load(input{Kind: "file", Path: source})
	if err != nil {
		return err
	}
	return os.WriteFile(target, samples(preprocess(img, n)["normalize"]), 0o666)
}

func main() {
	var err error
	switch len(os.Args) {
	case 1:
		err = serve(os.Stdin, os.Stdout)
	case 4:
		err = preprocessFile(os.Args[1], os.Args[2], os.Args[3])
	default:
		err = errors.New("usage: adapter [INPUT N OUTPUT]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
