module varve/tarsplit/go-peer

go 1.22.0

require github.com/vbatts/tar-split v0.12.3
