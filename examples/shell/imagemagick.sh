#!/bin/sh
# imagemagick.sh INPUT N_PX OUTPUT
# CLIP preprocessing with ImageMagick, as a candidate for clip-conformance (spec/PROTOCOL.md, section 1).
set -eu
input=$1 n_px=$2 output=$3
here=$(dirname "$0")
. "$here/size.sh"
export MAGICK_THREAD_LIMIT=1 # the suite runs one process a core

# ImageMagick 7 has magick, ImageMagick 6 has convert; Debian's is also there under a name of its own.
for magick in magick convert-im6.q16 convert; do
    if command -v "$magick" >/dev/null; then break; fi
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

size=$("$magick" "${input}[0]" -format "%w %h" info:)
clip_size "${size% *}" "${size#* }" "$n_px"

# Catrom is the cubic with a = -0.5. An offset of the file or of the crop stays as a virtual canvas unless +repage drops
# it. Without -regard-warnings, half a picture is a success. With -depth 8 the samples would be truncated; to_tensor.pl
# rounds those of 16 bits.
"$magick" -regard-warnings "${input}[0]" +repage -filter Catrom -resize "${w}x${h}!" \
    -crop "${n_px}x${n_px}+${left}+${top}" +repage -alpha off -colorspace sRGB -depth 16 -endian LSB "rgb:$tmp/rgb.raw"
perl "$here/to_tensor.pl" "$n_px" 16 <"$tmp/rgb.raw" >"$output"
