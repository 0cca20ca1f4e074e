// Client addresses as a proxy would name them: number 0 to 999,999 becomes 10.100.100.100 to 10.199.199.199.
// The gateway believes them because it trusts the proxy on loopback that it is asked through.

export function forwardedFor(number) {
  const part = (divisor) => 100 + (Math.floor(number / divisor) % 100);
  return `10.${part(10000)}.${part(100)}.${part(1)}`;
}
