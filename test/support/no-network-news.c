/*
 * Loaded before libc: no socket tells of networks that come and go. Chromium breaks off whatever it
 * loads at each of them (ERR_NETWORK_CHANGED), has no setting against that, and beside a test that
 * looks at pages others make and remove networks of containers.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

int socket(int domain, int type, int protocol)
{
	static int (*libc_socket)(int, int, int);
	if (domain == AF_NETLINK) {
		errno = EPERM;
		return -1;
	}
	if (libc_socket == 0)
		libc_socket = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	return libc_socket(domain, type, protocol);
}
