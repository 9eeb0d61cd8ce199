//go:build unix

package control

import (
	"net"
	"syscall"
)

// refused is what dialling says where a socket is left and nobody listens.
const refused = syscall.ECONNREFUSED

// listen makes a socket that only its owner can use, from its first moment on.
func listen(path string) (net.Listener, error) {
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return net.Listen("unix", path)
}
