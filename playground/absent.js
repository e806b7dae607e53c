// Stands for packages that only Node uses, for which this page has no use.
export default undefined;
