/// <reference types="vite/client" />
/** Digits of 14 × 14 bytes, as base64. */
declare module 'virtual:digits' {
  const base64: string;
  export default base64;
}
