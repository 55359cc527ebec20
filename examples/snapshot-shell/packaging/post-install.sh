if [ "$1" = 1 ]; then echo 'snapshot: set what to copy in /etc/snapshot.conf'; fi
