#!/usr/bin/perl
# to_tensor.pl N_PX DEPTH <RGB >TENSOR
# RGB of 8 or 16 bits (little-endian), N_PX x N_PX, becomes the float32 tensor 3 x N_PX x N_PX; 16 bits are rounded to 8
# first. Every operation is rounded to float32 as TEN-1 and NRM-1 have it, so this step is exact.
use strict;
use warnings;

my ($n_px, $depth) = @ARGV;
my @mean = (0.48145466, 0.4578275,  0.40821073);
my @std  = (0.26862954, 0.26130258, 0.27577711);

sub f { return unpack 'f', pack 'f', shift }    # round to float32

binmode $_ for *STDIN, *STDOUT;
my $rgb = do { local $/; <STDIN> } // '';
my @rgb = $depth == 8 ? unpack 'C*', $rgb : map { int($_ / 257 + 0.5) } unpack 'v*', $rgb;
if (@rgb != 3 * $n_px**2) {
    print STDERR 'to_tensor.pl: ', scalar @rgb, " samples are not $n_px x $n_px RGB\n";
    exit 1;
}

for my $c (0 .. 2) {
    my @value = map { pack 'f<', f(f($_ / 255) - f($mean[$c])) / f($std[$c]) } 0 .. 255;
    print map { $value[$rgb[3 * $_ + $c]] } 0 .. $n_px**2 - 1;
}
