package control

import (
	"net"

	"golang.org/x/sys/windows"
)

// refused is what dialling says where a socket is left and nobody listens.
const refused = windows.WSAECONNREFUSED

// listen makes a socket; who may use it is inherited from the folder, which is the user's own.
func listen(path string) (net.Listener, error) { return net.Listen("unix", path) }
