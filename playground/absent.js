// Replaces packages that are needed only in Node.
export default undefined;
