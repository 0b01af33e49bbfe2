module varve/tar/go-peer

go 1.21
