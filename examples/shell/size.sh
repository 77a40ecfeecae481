# Sourced. clip_size WIDTH HEIGHT N_PX sets w and h, the size to resize to, and left and top, the offset of the crop.
# Integers alone (SIZ-1, CRP-1): the long side is rounded down, half a margin to the even neighbour.

clip_size() {
    if [ "$1" -le "$2" ]; then
        w=$3 h=$(($3 * $2 / $1))
    else
        w=$(($3 * $1 / $2)) h=$3
    fi
    left=$((w - $3)) top=$((h - $3))
    left=$((left / 2 + (left / 2 % 2) * (left % 2)))
    top=$((top / 2 + (top / 2 % 2) * (top % 2)))
}
