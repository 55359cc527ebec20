/*
 * Loaded before libc. Node's threads wake each other by writing eight bytes to an eventfd, with the same
 * call by which they write files. strace counts calls, so a fault for a file would meet the wake-up as
 * often, and no disk fails that. Here it is another call, and the count of `write` is one of files.
 */
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t write(int fd, const void *bytes, size_t count)
{
	struct stat about;
	/* What is no file at all has no type. */
	if (count == 8 && fstat(fd, &about) == 0 && (about.st_mode & S_IFMT) == 0) {
		struct iovec part = { (void *)bytes, count };
		return syscall(SYS_writev, fd, &part, 1);
	}
	return syscall(SYS_write, fd, bytes, count);
}
