/** Folders that belong to the system: a package puts files into them and never owns them. */
const FOLDERS = new Set(
  [
    "/ /etc /opt /srv /usr /var /run /boot /home /root /tmp /mnt /media",
    "/bin /sbin /lib /lib64 /usr/bin /usr/sbin /usr/lib /usr/lib64 /usr/libexec /usr/include /usr/src",
    "/usr/share /usr/local /usr/local/bin /usr/local/sbin /usr/local/lib /usr/local/share",
    "/var/lib /var/log /var/cache /var/spool /var/tmp /var/opt",
    "/etc/cron.d /etc/cron.daily /etc/cron.hourly /etc/cron.weekly /etc/cron.monthly",
    "/etc/default /etc/logrotate.d /etc/modprobe.d /etc/pam.d /etc/pki /etc/profile.d /etc/security",
    "/etc/skel /etc/ssl /etc/sudoers.d /etc/sysconfig /etc/sysctl.d /etc/systemd /etc/systemd/system",
    "/etc/tmpfiles.d /etc/udev /etc/udev/rules.d /etc/xdg /etc/yum.repos.d /etc/ld.so.conf.d",
    "/usr/lib/binfmt.d /usr/lib/firewalld /usr/lib/firewalld/services /usr/lib/modprobe.d",
    "/usr/lib/modules-load.d /usr/lib/sysctl.d /usr/lib/systemd /usr/lib/systemd/system",
    "/usr/lib/systemd/system-preset /usr/lib/systemd/user /usr/lib/sysusers.d /usr/lib/tmpfiles.d",
    "/usr/lib/udev /usr/lib/udev/rules.d /usr/lib64/pkgconfig /usr/lib/pkgconfig",
    "/usr/share/applications /usr/share/bash-completion /usr/share/bash-completion/completions",
    "/usr/share/doc /usr/share/fish /usr/share/fish/vendor_completions.d /usr/share/fonts",
    "/usr/share/icons /usr/share/info /usr/share/java /usr/share/licenses /usr/share/locale",
    "/usr/share/man /usr/share/mime /usr/share/perl5 /usr/share/pixmaps /usr/share/pkgconfig",
    "/usr/share/polkit-1 /usr/share/selinux /usr/share/zsh /usr/share/zsh/site-functions",
  ].flatMap((line) => line.split(" ")),
);

export function isSystemFolder(path: string): boolean {
  return FOLDERS.has(path) || /^\/usr\/share\/man\/(?:[a-z_A-Z.]+\/)?man\d$/.test(path);
}

/** The folders above a path that the package must own: none of the system's. */
export function ownedParents(path: string): readonly string[] {
  const parts = path.split("/").slice(1, -1);
  return parts
    .map((_part, index) => `/${parts.slice(0, index + 1).join("/")}`)
    .filter((folder) => !isSystemFolder(folder));
}
