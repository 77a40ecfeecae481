module clip-conformance/examples/go

go 1.19
