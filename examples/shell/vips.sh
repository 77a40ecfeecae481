#!/bin/sh
# vips.sh INPUT N_PX OUTPUT
# CLIP preprocessing with libvips's command line, as a candidate for clip-conformance (spec/PROTOCOL.md, section 1).
set -eu
input=$1 n_px=$2 output=$3
here=$(dirname "$0")
. "$here/size.sh"
export VIPS_CONCURRENCY=1 # the suite runs one process a core
export VIPS_NOVECTOR=1    # the vectorised resize has coarser weights, see README.md

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

info=$(vipsheader "$input") # PATH: 640x480 uchar, 3 bands, srgb, pngload
size=${info##*: }
size=${size%% *} width=${size%x*} height=${size#*x}
clip_size "$width" "$height" "$n_px"

# vips takes factors and rounds the size that follows from them; 17 digits make it the one that is meant.
factor() { awk -v to="$1" -v from="$2" 'BEGIN { printf "%.17g", to / from }'; }

# Without fail_on, half a picture is a success; without --gap 0, a great reduction begins with a box filter.
vips resize "$input[fail_on=truncated]" "$tmp/resized.v" "$(factor "$w" "$width")" \
    --vscale "$(factor "$h" "$height")" --kernel cubic --gap 0
vips extract_area "$tmp/resized.v" "$tmp/cropped.v" "$left" "$top" "$n_px" "$n_px"
vips colourspace "$tmp/cropped.v" "$tmp/rgb.v" srgb
vips extract_band "$tmp/rgb.v" "$tmp/rgb.raw" 0 --n 3
perl "$here/to_tensor.pl" "$n_px" 8 <"$tmp/rgb.raw" >"$output"
